"""A branch that only Conductor moves: integration and rollback, each by compare-and-swap."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from workers import crash
from workers.git.errors import GitFailed, Superseded, UnknownRevision
from workers.git.merging import Conflict, merge, tree_of
from workers.git.messages import Commit, bearing, compose, history, text_of
from workers.git.program import Git
from workers.git.refs import Refs

RACES = 100


def always() -> bool:
    return True


@dataclass(frozen=True)
class Integrated:
    """The work is on the branch, at its tip; `rebased` when others had been there before."""

    tip: str
    rebased: bool


@dataclass(frozen=True)
class AlreadyIntegrated:
    """Somebody finished this integration before; `commit` is the one on the branch."""

    tip: str
    commit: str


@dataclass(frozen=True)
class Stale:
    """The attempt lost its right to write before the branch was moved; nothing happened."""


@dataclass(frozen=True)
class Branch:
    """`ref` in full; its commits are one line, every change a new commit on top."""

    git: Git
    refs: Refs
    ref: str

    def tip(self) -> str:
        """Raises UnknownRevision when the branch does not exist."""
        tip = self.refs.read(self.ref)
        if tip is None:
            raise UnknownRevision(f"There is no branch {self.ref.removeprefix('refs/heads/')}.")
        return tip

    def create(self, commit: str) -> None:
        if self.refs.swap(self.ref, commit, None):
            return
        tip = self.tip()
        if not self.git.ask("merge-base", "--is-ancestor", commit, tip).ok:
            raise GitFailed(
                f"The branch {self.ref.removeprefix('refs/heads/')} exists already and does not "
                f"contain {commit}. Remove or rename it, then try again."
            )

    def integrate(
        self,
        commit: str,
        base: str,
        trailers: Mapping[str, str],
        still_valid: Callable[[], bool],
    ) -> Integrated | Conflict | AlreadyIntegrated | Stale:
        for _ in range(RACES):
            old = self.tip()
            if done := self._find(base, old, trailers):
                return AlreadyIntegrated(old, done.sha)
            new = self._on_top(old, commit, base, trailers)
            if isinstance(new, Conflict):
                return new
            crash.point("integrate.before_check")
            if not still_valid():
                return Stale()
            crash.point("integrate.before_update_ref")
            if self.refs.swap(self.ref, new, old):
                crash.point("integrate.after_update_ref")
                return Integrated(new, rebased=old != base)
        raise self._too_busy()

    def already(self, trailers: Mapping[str, str]) -> AlreadyIntegrated | None:
        """The commit with these trailers, wherever on the branch it is."""
        tip = self.tip()
        found = (commit for commit in bearing(self.git, tip, trailers) if commit.has(trailers))
        done = next(found, None)
        return AlreadyIntegrated(tip, done.sha) if done else None

    def revert_to_tree(
        self,
        source: str,
        message: str,
        trailers: Mapping[str, str],
        still_valid: Callable[[], bool] = always,
    ) -> str:
        reverted = self._add(
            source, lambda _: tree_of(self.git, source), message, trailers, still_valid
        )
        assert not isinstance(reverted, Conflict)
        return reverted

    def revert_commits(
        self,
        commits: Sequence[str],
        message: str,
        trailers: Mapping[str, str],
        still_valid: Callable[[], bool] = always,
    ) -> str | Conflict:
        newest_first = self._ordered(commits)
        return self._add(
            newest_first[-1],
            lambda tip: self._without(tip, newest_first),
            message,
            trailers,
            still_valid,
        )

    def _add(
        self,
        since: str,
        tree_on: Callable[[str], str | Conflict],
        message: str,
        trailers: Mapping[str, str],
        still_valid: Callable[[], bool],
    ) -> str | Conflict:
        """One commit with the tree that fits on the tip, unless its trailers are there already."""
        for _ in range(RACES):
            old = self.tip()
            if done := self._find(since, old, trailers):
                return done.sha
            tree = tree_on(old)
            if isinstance(tree, Conflict):
                return tree
            new = self._commit(tree, old, message, trailers)
            crash.point("revert.before_update_ref")
            if not still_valid():
                raise Superseded
            if self.refs.swap(self.ref, new, old):
                crash.point("revert.after_update_ref")
                return new
        raise self._too_busy()

    def _on_top(
        self, old: str, commit: str, base: str, trailers: Mapping[str, str]
    ) -> str | Conflict:
        """The attempt's work as one commit whose parent is `old`."""
        if old == base and self._is_single(commit, base, trailers):
            return commit
        tree = merge(self.git, base, old, commit)
        if isinstance(tree, Conflict):
            return tree
        return self._commit(tree, old, text_of(self.git, commit), trailers)

    def _is_single(self, commit: str, base: str, trailers: Mapping[str, str]) -> bool:
        commits = history(self.git, base, commit)
        return len(commits) == 1 and commits[0].has(trailers)

    def _without(self, tip: str, commits: Sequence[str]) -> str | Conflict:
        """The tree of `tip` with these commits taken back, one after the other."""
        tree = tip
        for commit in commits:
            merged = merge(self.git, commit, tree, f"{commit}^")
            if isinstance(merged, Conflict):
                return merged
            tree = merged
        return tree_of(self.git, tree)

    def _ordered(self, commits: Sequence[str]) -> list[str]:
        """Newest first, as they follow each other on the branch."""
        wanted = set(commits)
        line = self.git.run("rev-list", "--topo-order", "--end-of-options", self.tip()).split()
        ordered = [commit for commit in line if commit in wanted]
        if missing := wanted - set(ordered):
            raise UnknownRevision(f"The branch does not contain {', '.join(sorted(missing))}.")
        return ordered

    def _find(self, since: str, tip: str, trailers: Mapping[str, str]) -> Commit | None:
        found = (commit for commit in history(self.git, since, tip) if commit.has(trailers))
        return next(found, None)

    def _commit(self, tree: str, parent: str, message: str, trailers: Mapping[str, str]) -> str:
        text = compose(message, trailers)
        return self.git.run("commit-tree", tree, "-p", parent, "-F", "-", text=text)

    def _too_busy(self) -> GitFailed:
        return GitFailed(
            f"{self.ref} was moved by others {RACES} times in a row; the job is tried again later."
        )
