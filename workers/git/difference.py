"""What was changed between two commits, as much of it as a reader can take."""

import re
from dataclasses import dataclass

from workers.git.program import Git

_FILE = re.compile(r"(?m)^(?=diff --git )")
_NAME = re.compile(r'diff --git "?a/.*? "?b/(.*?)"?\n')
_PLAIN = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=all", "--find-renames")


@dataclass(frozen=True)
class Difference:
    """`files` lists all of them with their changed lines; `hidden` are those not in `text`."""

    files: str
    text: str
    hidden: tuple[str, ...]
    size: int


def difference(git: Git, since: str, until: str, limit: int) -> Difference:
    """At most `limit` characters of text; of files that don't all fit, the smaller ones."""
    between = ("--end-of-options", since, until, "--")
    whole = git.run("diff", *_PLAIN, *between)
    files = git.run("diff", "--stat=120", *_PLAIN, *between)
    pieces = [piece for piece in _FILE.split(whole) if piece]
    left, shown = limit, set()
    for index in sorted(range(len(pieces)), key=lambda index: len(pieces[index])):
        if len(pieces[index]) > left:
            break
        left -= len(pieces[index])
        shown.add(index)
    return Difference(
        files=files,
        text="".join(piece for index, piece in enumerate(pieces) if index in shown).strip("\n"),
        hidden=tuple(_name(piece) for index, piece in enumerate(pieces) if index not in shown),
        size=len(whole),
    )


def _name(piece: str) -> str:
    found = _NAME.match(piece)
    return found[1] if found else piece.partition("\n")[0]
