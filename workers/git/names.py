"""Names of branches, tags and hidden refs: checked before git sees them, always written in full."""

import re

from workers.git.errors import InvalidName

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+@-]*")
_IMPOSSIBLE = re.compile(r"\.\.|//|/\.|\.lock(/|$)|@\{|[/.]$")
HIDDEN = "refs/conductor/"


def branch_ref(name: str) -> str:
    return f"refs/heads/{checked(name)}"


def tag_ref(name: str) -> str:
    return f"refs/tags/{checked(name)}"


def attempt_ref(attempt: str) -> str:
    """Where an attempt's commit is published before it is judged."""
    return f"{HIDDEN}attempts/{checked(attempt)}"


def kept_ref(attempt: str) -> str:
    """Where the work of an attempt is kept that ended without publishing it."""
    return f"{HIDDEN}kept/{checked(attempt)}"


def checked(name: str) -> str:
    """The name itself. Raises InvalidName for what git, or an option parser, would misread."""
    if not _NAME.fullmatch(name) or _IMPOSSIBLE.search(name):
        raise InvalidName(
            f"{name!r} can't be the name of a branch, a tag or a ref; use letters, digits, "
            "dots, slashes and dashes, beginning with a letter or a digit."
        )
    return name


def checked_hidden(ref: str) -> str:
    """The ref itself. Raises InvalidName unless it is one of Conductor's hidden refs."""
    if not ref.startswith(HIDDEN):
        raise InvalidName(f"{ref!r} is not one of Conductor's refs ({HIDDEN}...).")
    checked(ref.removeprefix(HIDDEN))
    return ref
