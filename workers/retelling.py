"""What a program did, told in turns of the agent loop that do the same, so that it can be recorded.

Nobody sees what a program says to its model, but its commit shows what came of it: one turn writes
and removes those files, the last one finishes with the program's words.
"""

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conductor_app import masking
from conductor_app.transcribing import EFFECT, FINISH, UNRECORDABLE
from workers import artifacts
from workers.git.errors import GitFailed
from workers.git.program import Git
from workers.turns import Usage

# More than that no recording should hold, in bytes.
MOST = 5_000_000
# As many names as one command takes, however long they are.
BATCH = 20
EXECUTABLE, PLAIN = "100755", "100644"
KINDS = {"120000": "a link", "160000": "another repository"}
Line = dict[str, Any]


class _Untold(Exception):
    """The tools of the loop can't do what was done."""


@dataclass(frozen=True)
class Work:
    """What an attempt by a program came to; `commit` None when it changed nothing."""

    program: str
    summary: str
    usage: Usage
    base: str | None = None
    commit: str | None = None


def retell(folder: Path, git: Git | None, work: Work) -> None:
    """Write the turns to `effect.jsonl` in the attempt's artifacts, or why there can be none."""
    try:
        changes = [] if git is None or work.commit is None else _changes(git, work)
        lines = [*_turns(work, changes)]
    except (_Untold, GitFailed) as problem:
        lines = [{"type": UNRECORDABLE, "reason": str(problem)}]
    masked = masking.within(lines, masking.data)
    artifacts.write(folder / EFFECT, "".join(json.dumps(line) + "\n" for line in masked))


@dataclass(frozen=True)
class _Change:
    """One file; `content` is None where it is gone or only its mode is another."""

    path: str
    before: str
    after: str
    content: str | None

    @property
    def gone(self) -> bool:
        return self.after == "000000"

    @property
    def mode(self) -> str | None:
        """What `chmod` has to do afterwards."""
        if self.after == EXECUTABLE and self.before != EXECUTABLE:
            return "+x"
        return "-x" if self.before == EXECUTABLE and self.after == PLAIN else None


def _changes(git: Git, work: Work) -> list[_Change]:
    """Raises _Untold, GitFailed."""
    told = git.run(
        *("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev"),
        *("--ignore-submodules=none", "--end-of-options", str(work.base), str(work.commit), "--"),
    )
    fields = told.split("\0")[:-1]
    entries = (entry[1:].split() for entry in fields[::2])
    found = list(zip(entries, fields[1::2], strict=True))
    _require_small(git, [entry[3] for entry, _ in found if entry[1] != "000000"])
    return [_change(git, entry, path) for entry, path in found]


def _require_small(git: Git, blobs: Sequence[str]) -> None:
    asked = "".join(f"{blob}\n" for blob in blobs)
    sizes = git.run("cat-file", "--batch-check=%(objectsize)", text=asked).split("\n")
    # Of another repository's commit nothing is known here.
    size = sum(int(each) for each in sizes if each.isdigit())
    if size > MOST:
        raise _Untold(f"it wrote {size:,} bytes, and a recording holds {MOST:,} at most")


def _change(git: Git, entry: Sequence[str], path: str) -> _Change:
    before, after, old, new, _ = entry
    if not _is_text(path):
        raise _Untold(f"{path!r} is not a name in UTF-8")
    if after in KINDS:
        raise _Untold(f"{path} is {KINDS[after]}, which no tool of the recording can make")
    # What was a link has to be written even if its text is the same.
    if after == "000000" or (old == new and before not in KINDS):
        return _Change(path, before, after, None)
    answer = git.ask("cat-file", "blob", new)
    if not answer.ok:
        raise _Untold(f"{path} can't be read from its commit")
    if "\0" in answer.output or not _is_text(answer.output):
        raise _Untold(f"{path} is no text in UTF-8, and a recording holds text only")
    if masking.data(answer.output) != answer.output:
        raise _Untold(f"{path} holds what looks like a secret, which no recording may")
    return _Change(path, before, after, answer.output)


def _is_text(text: str) -> bool:
    """Whether it was UTF-8: other bytes come from git as halves of surrogate pairs."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _turns(work: Work, changes: Sequence[_Change]) -> Iterator[Line]:
    done = [
        *_commands("rm -rf --", _in_the_way(changes)),
        *(("write_file", {"path": each.path, "content": each.content}) for each in _new(changes)),
        *_commands("chmod +x --", [each.path for each in changes if each.mode == "+x"]),
        *_commands("chmod -x --", [each.path for each in changes if each.mode == "-x"]),
    ]
    calls = [_call(number, *each) for number, each in enumerate(done, start=1)]
    finish = _call(len(calls) + 1, FINISH, {"summary": work.summary})
    if calls:
        yield _turn(work, f"What {work.program} changed.", calls, work.usage)
        yield from map(_result, calls)
    yield _turn(work, "", [finish], Usage() if calls else work.usage)
    yield _result(finish)


def _new(changes: Sequence[_Change]) -> list[_Change]:
    return [each for each in changes if each.content is not None]


def _in_the_way(changes: Sequence[_Change]) -> list[str]:
    """What is gone, and what is not written over: a link, a directory that is a file now."""
    gone = [each.path for each in changes if each.gone]
    places = {str(place) for path in gone for place in Path(path).parents}
    new = _new(changes)
    return [*gone, *(each.path for each in new if each.before in KINDS or each.path in places)]


def _commands(command: str, paths: Sequence[str]) -> Iterator[tuple[str, Line]]:
    for start in range(0, len(paths), BATCH):
        some = shlex.join(paths[start : start + BATCH])
        yield "run_command", {"command": f"{command} {some}"}


def _call(number: int, name: str, arguments: Line) -> Line:
    return {"id": f"c{number}", "name": name, "arguments": arguments}


def _turn(work: Work, text: str, calls: Sequence[Line], usage: Usage) -> Line:
    counted = ("input_tokens", "output_tokens", "cache_read_tokens")
    return {
        "type": "turn",
        "text": text,
        "tool_calls": calls,
        "usage": {name: getattr(usage, name) for name in counted},
        "model": work.program,
    }


def _result(call: Line) -> Line:
    exit_code = 0 if call["name"] == "run_command" else None
    return {"type": "result", "id": call["id"], "ok": True, "exit_code": exit_code}
