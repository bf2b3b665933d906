"""The tools for files: list_dir, read_file, edit_file, write_file."""

from io import StringIO
from pathlib import Path
from typing import Any

from conductor_app import masking
from conductor_app.masking import MASK
from workers.tools.workplace import Answer, ToolFault, Workplace
from workers.tools.worktree_files import list_entries, read_bytes, write_bytes

Arguments = dict[str, Any]


def list_dir(arguments: Arguments, place: Workplace) -> Answer:
    entries = list_entries(place.root, arguments["path"])
    return Answer("\n".join(entries) if entries else "(empty)")


def read_file(arguments: Arguments, place: Workplace) -> Answer:
    path = arguments["path"]
    # Before lines are taken: of a part of a private key nobody knows that it is one.
    text = masking.data_in_lines(_decoded(path, read_bytes(place.root, path), errors="replace"))
    if "start" not in arguments and "end" not in arguments:
        return Answer(text)
    lines = lines_of(text)
    start, end = arguments.get("start", 1), arguments.get("end", len(lines))
    if start > len(lines) or end < start:
        raise ToolFault(
            f"{path!r} has {len(lines)} lines; lines {start} to {end} are not among them."
        )
    return Answer("".join(lines[start - 1 : end]))


def edit_file(arguments: Arguments, place: Workplace) -> Answer:
    path, old, new = arguments["path"], arguments["old"], arguments["new"]
    if old == new:
        raise ToolFault("`old` and `new` are the same; nothing would change.")
    text = _decoded(path, read_bytes(place.root, path), errors="strict")
    count = text.count(old)
    if count == 0:
        raise ToolFault(
            f"`old` does not occur in {path!r}; read the file and copy the text exactly."
        )
    if count > 1 and not arguments.get("replace_all", False):
        raise ToolFault(
            f"`old` occurs {count} times in {path!r}, at {_lines_of(text, old)}; "
            "give more of the text around it, or set replace_all."
        )
    _keep_what_is_masked(path, text, new)
    write_bytes(place.root, path, _encoded(text.replace(old, new)))
    return Answer(f"Replaced {_counted(count, 'occurrence')} in {path}, at {_lines_of(text, old)}.")


def write_file(arguments: Arguments, place: Workplace) -> Answer:
    path, content = arguments["path"], arguments["content"]
    is_new = write_text(place.root, path, content)
    lines = _counted(len(lines_of(content)), "line")
    return Answer(f"{'Created' if is_new else 'Replaced'} {path}: {lines}.")


def write_text(root: Path, path: str, text: str) -> bool:
    """Replace or create the file, unless a secret would be lost; whether it is new.

    Raises ToolFault.
    """
    if MASK in text:
        _keep_what_is_masked(path, _standing(root, path), text)
    return write_bytes(root, path, _encoded(text))


def lines_of(text: str) -> list[str]:
    """Lines as compilers, git and grep count them: Python's own end at form feeds as well."""
    return list(StringIO(text, newline="\n"))


def _standing(root: Path, path: str) -> str:
    """The file as it is; nothing where there is none to be read."""
    try:
        return read_bytes(root, path).decode("utf-8", "replace")
    except (ToolFault, OSError):
        return ""


def _keep_what_is_masked(path: str, text: str, new: str) -> None:
    """What stands for a secret must not take its place in the file; raises ToolFault."""
    if MASK in new and masking.data(text) != text:
        raise ToolFault(
            f"Not written: {path!r} holds a secret, which you are shown as {MASK}. Change the "
            "other parts with edit_file, in pieces that leave the secret out."
        )


def _decoded(path: str, content: bytes, *, errors: str) -> str:
    if b"\0" in content:
        raise ToolFault(f"{path!r} is not a text file ({len(content):,} bytes).")
    try:
        return content.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise ToolFault(f"{path!r} is not UTF-8; edit it by a command.") from error


def _encoded(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ToolFault("The text holds half a surrogate pair, which no file can.") from error


def _lines_of(text: str, piece: str, limit: int = 10) -> str:
    """Where the piece begins, each line once: `line 3, 8, ...`."""
    numbers: list[str] = []
    at = text.find(piece)
    while at >= 0 and len(numbers) < limit:
        number = str(text.count("\n", 0, at) + 1)
        if number not in numbers:
            numbers.append(number)
        at = text.find(piece, at + len(piece))
    return "line " + ", ".join(numbers) + (", ..." if at >= 0 else "")


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
