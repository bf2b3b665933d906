"""Searches the files beneath the current directory; a program of its own, run confined by `search`.

A regular expression from a model can take for ever and would hold up the whole worker: so it runs
in a process that can be killed. Standard library only, as the program is handed over as text.
"""

import json
import os
import re
import stat
import sys
from collections.abc import Iterator

MAX_MATCHES = 200
MAX_ENTRIES = 50_000
MAX_BYTES = 10_000_000
MAX_LINE = 2_000


def main() -> int:
    wanted = json.loads(sys.argv[1])
    try:
        pattern = re.compile(wanted["pattern"])
    except (re.error, RecursionError, OverflowError) as error:
        print(f"The pattern is not a regular expression: {error}.")
        return 2
    sys.stdout.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    found = 0
    for path in files(wanted["path"], wanted["glob"]):
        for number, line in lines(path, wanted["secret"], wanted["mask"]):
            if pattern.search(line[:MAX_LINE]):
                found += 1
                if found > MAX_MATCHES:
                    print(f"... more than {MAX_MATCHES} matches; narrow the search.")
                    return 0
                # `search` cuts it when it is masked; until then no secret may be cut.
                print(f"{path}:{number}: {line[: MAX_LINE + wanted['spare']]}")
    if not found:
        print("No match.")
    return 0


def files(start: str, glob: str) -> Iterator[str]:
    fitting = glob_pattern(glob or "*")
    if os.path.isfile(start):
        yield start
        return
    entries = 0
    for directory, folders, names in os.walk(start):
        folders[:] = sorted(name for name in folders if name.casefold() != ".git")
        entries += len(folders) + len(names)
        if entries > MAX_ENTRIES:
            print(f"... more than {MAX_ENTRIES} files; name a directory.")
            return
        for name in sorted(names):
            path = os.path.normpath(os.path.join(directory, name))
            if name.casefold() != ".git" and fitting.fullmatch(path):
                yield path


def glob_pattern(glob: str) -> re.Pattern[str]:
    """`*.py` is about the name, `src/*.py` about the path; `**/` may also stand for nothing."""
    wildcards = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", glob if "/" in glob else f"**/{glob}")
    return re.compile("".join(wildcards.get(piece, re.escape(piece)) for piece in pieces))


def lines(path: str, secret: str, mask: str) -> Iterator[tuple[int, str]]:
    """Nothing for what is not a text file of a sensible size of its own.

    `secret` is a pattern of what has several lines, each of which becomes the mask: they could not
    be told from others alone.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return
    with open(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1 or status.st_size > MAX_BYTES:
            return
        content = file.read()
    if b"\0" not in content:
        # As grep counts them: Python's own lines end at form feeds as well.
        text = content.decode("utf-8", "replace").removesuffix("\n")
        text = re.sub(secret, lambda found: "\n".join([mask] * len(found[0].split("\n"))), text)
        for number, line in enumerate(text.split("\n") if text else (), start=1):
            yield number, line.removesuffix("\r")


if __name__ == "__main__":
    sys.exit(main())
