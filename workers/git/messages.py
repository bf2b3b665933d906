"""Commit messages with trailers: written so that nothing in a text can pass for a trailer."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from conductor_app import masking
from workers.git.program import Git

FIELDS = ("%H", "%s", "%an", "%at", "%(trailers:only,unfold)")
FORMAT = "%x1f".join(FIELDS)


@dataclass(frozen=True)
class Commit:
    """One commit as the log shows it."""

    sha: str
    subject: str
    author: str
    at: datetime
    trailers: Mapping[str, str]

    def has(self, trailers: Mapping[str, str]) -> bool:
        return bool(trailers) and trailers.items() <= self.trailers.items()


def compose(message: str, trailers: Mapping[str, str]) -> str:
    """The text, then the trailers as a last paragraph of their own: git reads only that one."""
    text = masking.words(message).strip() or "Work without a description"
    lines = [f"{key}: {' '.join(value.split())}" for key, value in trailers.items()]
    return "\n\n".join([text, "\n".join(lines)]) + "\n" if lines else f"{text}\n"


def text_of(git: Git, commit: str) -> str:
    """A commit's message without its trailers."""
    message = git.run("log", "-1", "--format=%B", "--end-of-options", commit).strip()
    block = git.run("log", "-1", "--format=%(trailers)", "--end-of-options", commit).strip()
    return message.removesuffix(block).strip() if block else message


def history(git: Git, since: str, until: str) -> list[Commit]:
    """The commits reachable from `until` and not from `since`, newest first."""
    return _log(git, f"{since}..{until}")


def bearing(git: Git, until: str, trailers: Mapping[str, str]) -> list[Commit]:
    """The commits up to `until` in whose messages these trailers are found as words, wherever."""
    words = (f"--grep={key}: {value}" for key, value in trailers.items())
    return _log(git, until, "--fixed-strings", "--all-match", *words)


def _log(git: Git, commits: str, *filters: str) -> list[Commit]:
    output = git.run("log", "-z", f"--format={FORMAT}", *filters, "--end-of-options", commits)
    return [_parse(entry) for entry in output.split("\0") if entry]


def _parse(entry: str) -> Commit:
    sha, subject, author, at, block = entry.split("\x1f", len(FIELDS) - 1)
    pairs = (line.partition(": ")[::2] for line in block.splitlines())
    return Commit(sha, subject, author, datetime.fromtimestamp(int(at), UTC), dict(pairs))
