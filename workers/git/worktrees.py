"""The worktrees of all attempts on one repository: made, kept when unfinished, removed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from workers import crash
from workers.git.errors import GitFailed
from workers.git.held import held
from workers.git.names import attempt_ref, checked
from workers.git.program import Git
from workers.git.refs import Refs, read_local
from workers.git.removal import remove_tree
from workers.git.turns import turn
from workers.git.worktree import Worktree

BASE = "refs/worktree/base"


class Worktrees:
    """Worktrees under `home`, registered in the repository as git does it, locked against its
    owner's `git worktree prune`. The owner's own worktrees are never touched."""

    def __init__(self, git: Git, refs: Refs, home: Path) -> None:
        self._git = git
        self._refs = refs
        self._home = home / "worktrees"

    @contextmanager
    def lend(self, attempt: str, commit: str, files: str | None = None) -> Iterator[Worktree]:
        """A worktree at `commit`, with the files of another commit if one is given.

        At the end unpublished work is kept, then all is removed.
        """
        with held(self._lock(attempt)) as mine:
            if not mine:
                raise GitFailed(f"Another process on this machine works on attempt {attempt}.")
            self._discard(attempt)
            try:
                worktree = self._add(attempt, commit, files)
                crash.point("worktree.after_add")
                yield worktree
            finally:
                self._discard(attempt)

    def prune(self, over: set[str]) -> list[str]:
        """Keep, then remove what these attempts, which have ended, left; the ids of those removed.

        One whose process still lives on this machine is left to it. A worktree that resists does
        not save the others; raises GitFailed after the last.
        """
        removed, failures = [], []
        for attempt in sorted(over):
            try:
                with held(self._lock(attempt)) as abandoned:
                    if abandoned:
                        # Also where nothing was changed: that it was there says so.
                        self._discard(attempt, unchanged=True)
                        removed.append(attempt)
            # Agents leave what nobody has thought of.
            except Exception as failure:
                failures.append(f"{attempt}: {failure}")
                # So that it is found and tried again.
                self._lock(attempt).touch()
        if failures:
            raise GitFailed(f"Worktrees could not be removed: {'; '.join(failures)}")
        return removed

    def _add(self, attempt: str, commit: str, files: str | None) -> Worktree:
        path = self._home / attempt
        with turn(self._git.git_dir):
            crash.point("worktree.before_add")
            self._git.run(
                *("worktree", "add", "--quiet", "--detach", "--no-checkout", "--lock"),
                *("--end-of-options", str(path), commit),
            )
        git = Git(self._registered()[attempt], path)
        git.run("reset", "--quiet", "--hard")
        if files is not None:
            git.run("read-tree", "--reset", "-u", files)
        # A ref of this worktree alone. While it is missing there is nothing to keep.
        git.run("update-ref", BASE, commit)
        return Worktree(path, commit, git, self._refs)

    def _discard(self, attempt: str, *, unchanged: bool = False) -> None:
        """Keep what has not been published, then remove the worktree; fine when there is none.

        With `unchanged` its files are kept even if they are those that it began with.
        """
        registration, path = self._registered().get(attempt), self._home / attempt
        if registration is None:
            self._discard_half(attempt, path)
            return
        self._keep(attempt, registration, path, unchanged)
        crash.point("worktree.before_remove")
        remove_tree(path)
        with turn(self._git.git_dir):
            # Last: as long as it stands, a successor finds what is left to do.
            remove_tree(registration)
        crash.point("worktree.after_remove")

    def _discard_half(self, attempt: str, path: Path) -> None:
        """What a process left that was killed while it added or removed the worktree."""
        remove_tree(path)
        registration = self._git.git_dir / "worktrees" / attempt
        with turn(self._git.git_dir):
            if not (registration / "gitdir").exists():
                remove_tree(registration)

    def _keep(self, attempt: str, registration: Path, path: Path, unchanged: bool) -> None:
        if not path.is_dir():
            return  # what is registered may be half removed as well
        git = Git(registration, path)
        base = read_local(git, BASE)
        if base is None:
            return
        # What a git that was killed here has left; nobody else works in this worktree now.
        for lock in registration.glob("*.lock"):
            lock.unlink(missing_ok=True)
        worktree = Worktree(path, base, git, self._refs)
        nothing = {read_local(git, attempt_ref(attempt)), None if unchanged else base}
        worktree.keep(attempt, nothing)
        crash.point("worktree.after_keep")

    def _lock(self, attempt: str) -> Path:
        return self._home / f"{checked(attempt)}.lock"

    def _registered(self) -> dict[str, Path]:
        """Attempt ids of this repository's worktrees under `home`, with their registrations."""
        found = {}
        home = self._home.resolve()
        for registration in (self._git.git_dir / "worktrees").glob("*"):
            try:
                path = Path((registration / "gitdir").read_text().strip()).parent
            except FileNotFoundError:
                continue  # another attempt's, removed at this moment
            if path.parent.resolve() == home:
                found[path.name] = registration
        return found
