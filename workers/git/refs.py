"""Refs of the execution's repository, moved by compare-and-swap: here, or in a remote."""

import time
from collections.abc import Collection
from typing import Protocol

from workers.git.names import HIDDEN
from workers.git.program import REMOTE_SECONDS, Answer, Git, failure
from workers.git.turns import turn

STALE_SECONDS = 60.0
# As many names as a command line holds.
BATCH = 500


class Refs(Protocol):
    """Where the branches of an execution live. `None` stands for a ref that does not exist."""

    def read(self, ref: str) -> str | None:
        """The commit that the ref names now; afterwards it can be read from the git directory."""

    def swap(self, ref: str, new: str, old: str | None) -> bool:
        """Move the ref from `old` to `new`; False when it was not at `old` any more."""

    def put(self, ref: str, new: str) -> None:
        """Set a ref that only its writer ever writes."""

    def refresh(self) -> None:
        """Learn what others have published."""

    def remove(self, refs: Collection[str]) -> None:
        """Remove those of these hidden refs that are there; nobody writes them any more."""


class LocalRefs:
    """The refs of the git directory itself."""

    def __init__(self, git: Git) -> None:
        self._git = git

    def read(self, ref: str) -> str | None:
        return read_local(self._git, ref)

    def swap(self, ref: str, new: str, old: str | None) -> bool:
        self._clear_lock(ref)
        # An empty old value: the ref must not exist.
        command = ("update-ref", "--end-of-options", ref, new, old or "")
        return _settled(self, ref, new, old, command, self._git.ask(*command))

    def put(self, ref: str, new: str) -> None:
        self._clear_lock(ref)
        self._git.run("update-ref", "--end-of-options", ref, new)

    def refresh(self) -> None:
        """Others publish into this same git directory."""

    def remove(self, refs: Collection[str]) -> None:
        remove_local(self._git, refs)

    def _clear_lock(self, ref: str) -> None:
        """Remove what a git that was killed left; a living one holds it for milliseconds.

        Only Conductor writes these refs, so no patient editor of its owner can be behind it.
        """
        lock = self._git.git_dir / f"{ref}.lock"
        try:
            if time.time() - lock.stat().st_mtime > STALE_SECONDS:
                lock.unlink()
        except FileNotFoundError:
            return


class RemoteRefs:
    """The refs of a remote; the git directory is a mirror of it."""

    def __init__(self, git: Git, url: str) -> None:
        self._git = git
        self._url = url

    def read(self, ref: str) -> str | None:
        listed = self._git.run(
            "ls-remote", "--end-of-options", self._url, ref, seconds=REMOTE_SECONDS
        )
        for line in listed.splitlines():
            commit, _, name = line.partition("\t")
            if name == ref:
                if read_local(self._git, commit) is None:
                    self._fetch(f"+{ref}:{ref}")
                return commit
        return None

    def swap(self, ref: str, new: str, old: str | None) -> bool:
        lease = f"--force-with-lease={ref}:{old or ''}"
        command = ("push", "--quiet", lease, "--end-of-options", self._url, f"{new}:{ref}")
        answer = self._git.ask(*command, seconds=REMOTE_SECONDS)
        return _settled(self, ref, new, old, command, answer)

    def put(self, ref: str, new: str) -> None:
        self._git.run(
            *("push", "--quiet", "--force", "--end-of-options", self._url, f"{new}:{ref}"),
            seconds=REMOTE_SECONDS,
        )
        with turn(self._git.git_dir):
            self._git.run("update-ref", "--end-of-options", ref, new)

    def refresh(self) -> None:
        kinds = ("refs/heads/*", "refs/tags/*", "refs/conductor/attempts/*")
        self._fetch(*(f"+{kind}:{kind}" for kind in kinds))

    def remove(self, refs: Collection[str]) -> None:
        """From the remote, and from the mirror, where the work of stopped attempts is kept."""
        listed = self._git.run(
            *("ls-remote", "--end-of-options", self._url, f"{HIDDEN}*"), seconds=REMOTE_SECONDS
        )
        names = (line.partition("\t")[2] for line in listed.splitlines())
        there = [name for name in names if name in refs]
        for start in range(0, len(there), BATCH):
            voided = (f":{name}" for name in there[start : start + BATCH])
            command = ("push", "--quiet", "--end-of-options", self._url, *voided)
            self._git.run(*command, seconds=REMOTE_SECONDS)
        with turn(self._git.git_dir):
            remove_local(self._git, refs)

    def _fetch(self, *refspecs: str) -> None:
        options = ("--quiet", "--no-auto-gc", "--no-write-fetch-head", "--no-tags")
        # Two fetches into one mirror would trip over each other's refs.
        with turn(self._git.git_dir):
            self._git.run(
                *("fetch", *options, "--end-of-options", self._url, *refspecs),
                seconds=REMOTE_SECONDS,
            )


def remove_local(git: Git, refs: Collection[str]) -> None:
    there = git.run("for-each-ref", "--format=%(refname)", HIDDEN).splitlines()
    text = "".join(f"delete {name}\n" for name in there if name in refs)
    git.run("update-ref", "--stdin", text=text)


def read_local(git: Git, ref: str) -> str | None:
    answer = git.ask("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    return answer.output.strip() if answer.ok else None


def _settled(
    refs: Refs, ref: str, new: str, old: str | None, command: tuple[str, ...], answer: Answer
) -> bool:
    """Whether the ref has moved. A failure proves nothing, so the ref itself is asked."""
    if answer.ok:
        return True
    current = refs.read(ref)
    if current == new:
        return True
    if current != old:
        return False
    raise failure(command, answer)
