"""The repository of an execution: its branch, its attempts' worktrees, integration and rollback.

The user's branches, index and working tree are never touched; Conductor writes its own branches
(`conductor/...`), tags, and hidden refs (`refs/conductor/...`).
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from conductor_app.domain.location import is_url
from workers.git import checkouts, location
from workers.git.errors import EmptyRepository, GitFailed, UnknownRevision
from workers.git.integration import (
    AlreadyIntegrated,
    Branch,
    Integrated,
    Stale,
    always,
)
from workers.git.merging import Conflict, tree_of
from workers.git.messages import Commit, history
from workers.git.names import attempt_ref, branch_ref, kept_ref, tag_ref
from workers.git.program import Git, without_secrets
from workers.git.refs import LocalRefs, Refs, RemoteRefs, read_local
from workers.git.worktree import Worktree
from workers.git.worktrees import Worktrees

__all__ = [
    "AlreadyIntegrated",
    "Commit",
    "Conflict",
    "Integrated",
    "Repository",
    "Stale",
    "Worktree",
    "attempt_ref",
    "kept_ref",
]

_HASH = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
NO_TRAILERS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Repository:
    """`home` is Conductor's data directory, which holds worktrees, checkouts and mirrors.

    `git` is what all worktrees of the repository share, `view` the one at the location.
    """

    location: str
    home: Path
    git: Git
    view: Git
    refs: Refs

    @staticmethod
    def open(location_: str, home: Path) -> "Repository":
        """The repository at a path or a URL (then a mirror of it under `home`).

        Raises NotARepository, InvalidLocation, GitMissing, and GitFailed for a remote that fails.
        """
        home = home.resolve()
        if is_url(location_):
            git = location.mirror(location_, home)
            return Repository(location_, home, git, git, RemoteRefs(git, location_))
        git, view = location.local(Path(location_).expanduser())
        return Repository(location_, home, git, view, LocalRefs(git))

    def resolve(self, revision: str) -> str:
        """The commit that a branch, tag or other revision names. Raises UnknownRevision."""
        # What a hash names never changes; what a name names may have changed in a remote.
        commit = read_local(self.view, revision) if _HASH.fullmatch(revision) else None
        if commit is None:
            self.refs.refresh()
            commit = read_local(self.view, revision)
        if commit is None:
            raise self._unknown(revision)
        return commit

    def tree(self, revision: str) -> str:
        """The hash of a revision's tree."""
        return tree_of(self.git, self.resolve(revision))

    def dirty(self) -> list[str]:
        """Files with uncommitted changes in the user's working tree; attempts don't see those."""
        if self.view.work_tree is None:
            return []
        status = self.view.run(
            "status", "--porcelain", "-z", "--no-renames", "--ignore-submodules=all"
        )
        return [entry[3:] for entry in status.split("\0") if entry]

    def create_branch(self, name: str, commit: str) -> None:
        """Create the branch; fine when it is there already and holds the commit."""
        self._branch(name).create(commit)

    def tip(self, branch: str) -> str:
        return self._branch(branch).tip()

    def log(self, branch: str, since: str) -> list[Commit]:
        """The commits of the branch after `since`, newest first."""
        return history(self.git, since, self.tip(branch))

    def tag(self, name: str, commit: str) -> None:
        """Name a commit for good; fine when the tag names it already. Raises InvalidName."""
        ref, wanted = tag_ref(name), self.resolve(commit)
        if not self.refs.swap(ref, wanted, None) and self.refs.read(ref) != wanted:
            raise GitFailed(f"The tag {name} names another commit already; remove it first.")

    def worktree(
        self, attempt_id: str, commit: str, files: str | None = None
    ) -> AbstractContextManager[Worktree]:
        """The attempt's own worktree; unpublished work is kept on a hidden ref at its end.

        `files` is a commit whose files it begins with, as changes that are still to be committed.
        """
        return self._worktrees().lend(attempt_id, self.resolve(commit), files)

    def left_by(self, attempt_id: str, base: str) -> str | None:
        """The commit with all that an ended attempt, begun at `base`, has left on this machine."""
        for ref in (kept_ref(attempt_id), attempt_ref(attempt_id)):
            found = read_local(self.git, ref)
            if found is not None and base in (found, read_local(self.git, f"{found}^")):
                return found
        return None

    def kept(self, attempt_id: str) -> str | None:
        """The ref of what an ended attempt did; None when it changed no file."""
        refs = (kept_ref(attempt_id), attempt_ref(attempt_id))
        return next((ref for ref in refs if read_local(self.git, ref) is not None), None)

    def checkout(self, commit: str) -> AbstractContextManager[Path]:
        """A directory with the commit's files and nothing else, to judge it in."""
        return checkouts.checkout(self.git, self.resolve(commit), self.home / "checkouts")

    def prune(self, over: set[str]) -> list[str]:
        """Clean up after killed processes; the work of these attempts, now over, is kept first."""
        checkouts.prune(self.home / "checkouts")
        return self._worktrees().prune(over)

    def forget(self, attempt_ids: Collection[str]) -> None:
        """Remove the hidden refs of these attempts; nobody will want their commits any more."""
        self.refs.remove({name(id_) for id_ in attempt_ids for name in (attempt_ref, kept_ref)})

    def integrate(
        self,
        branch: str,
        commit: str,
        *,
        base: str,
        trailers: Mapping[str, str],
        still_valid: Callable[[], bool],
    ) -> Integrated | Conflict | AlreadyIntegrated | Stale:
        """Put an attempt's work on the branch as exactly one commit with these trailers.

        `base` is the commit that the attempt started from. `still_valid` is asked right before
        the branch moves, and again whenever another integration was faster. Raises
        UnknownRevision when the work can't be read and is not on the branch already.
        """
        line = self._branch(branch)
        try:
            work = self.resolve(commit), self.resolve(base)
        except UnknownRevision:
            if done := line.already(trailers):
                return done
            raise
        return line.integrate(*work, trailers, still_valid)

    def revert_to_tree(
        self,
        branch: str,
        tree_commit: str,
        message: str,
        trailers: Mapping[str, str],
        still_valid: Callable[[], bool] = always,
    ) -> str:
        """A new commit on the branch whose files are those of `tree_commit`; returns the commit.

        Once there is a commit with these trailers after `tree_commit`, that one is returned.
        """
        return self._branch(branch).revert_to_tree(
            self.resolve(tree_commit), message, trailers, still_valid
        )

    def revert_commits(
        self,
        branch: str,
        commits: Sequence[str],
        message: str,
        trailers: Mapping[str, str] = NO_TRAILERS,
        still_valid: Callable[[], bool] = always,
    ) -> str | Conflict:
        """One new commit on the branch that takes these commits back; later work stays.

        Once there is a commit with these trailers after the oldest of them, that one is returned.
        """
        return self._branch(branch).revert_commits(
            [self.resolve(commit) for commit in commits], message, trailers, still_valid
        )

    def _branch(self, name: str) -> Branch:
        return Branch(self.git, self.refs, branch_ref(name))

    def _worktrees(self) -> Worktrees:
        return Worktrees(self.git, self.refs, self.home)

    def _unknown(self, revision: str) -> UnknownRevision | EmptyRepository:
        place = without_secrets(self.location)
        if not self.git.run("for-each-ref", "--count=1"):
            return EmptyRepository(
                f"{place} has no commit yet, so there is nothing to start from. Commit "
                "what is there: `git add -A && git commit --allow-empty -m Start`."
            )
        return UnknownRevision(
            f"{place} has no revision {revision!r}. `git branch --all` and `git tag` "
            "show what it has."
        )
