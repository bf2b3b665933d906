"""One attempt's own copy of the project: changed by its agent, committed by Conductor.

An agent's commands can't read the repository's git directory, and the `.git` file in the worktree
is never obeyed: every git command here names the git directory itself.
"""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from workers import crash
from workers.git.errors import SecretsFound, UnfitNames
from workers.git.merging import tree_of
from workers.git.messages import compose
from workers.git.names import checked_hidden, kept_ref
from workers.git.program import Git, failure
from workers.git.refs import Refs
from workers.git.removal import remove_tree
from workers.git.secrets import mask_secrets, refuse_secrets

GITLINK = "160000"
_UNFIT = re.compile(r"^error: invalid path '(.*)'$", re.MULTILINE)


@dataclass(frozen=True)
class Worktree:
    """`base` is the commit that the attempt started from."""

    path: Path
    base: str
    git: Git
    refs: Refs

    def head(self) -> str:
        """The attempt's latest commit; `base` while there is none."""
        return self.git.run("rev-parse", "--verify", "HEAD")

    def changed(self) -> bool:
        """Whether anything differs from `base`, committed or not."""
        return self.head() != self.base or self.uncommitted() or bool(self._in_submodules())

    def uncommitted(self) -> bool:
        return bool(self.git.run("status", "--porcelain", "-z", "--ignore-submodules=all"))

    def commit(self, message: str, trailers: Mapping[str, str]) -> str:
        """Commit all that is there, and return the commit; the latest one if nothing changed.

        Raises SecretsFound, and UnfitNames.
        """
        refuse_secrets(self.git, self.path)
        self._stage()
        if lost := self._in_submodules():
            raise UnfitNames(
                f"Git keeps no files below {', '.join(lost[:10])} here: that is a submodule, whose "
                "files another repository keeps. Put them elsewhere."
            )
        return self._committed(message, trailers)

    def _committed(self, message: str, trailers: Mapping[str, str]) -> str:
        parent = self.head()
        tree = self.git.run("write-tree")
        if tree == tree_of(self.git, parent):
            return parent
        text = compose(message, trailers)
        commit = self.git.run("commit-tree", tree, "-p", parent, "-F", "-", text=text)
        self.git.run("update-ref", "--no-deref", "HEAD", commit, parent)
        return commit

    def publish(self, ref: str) -> None:
        """Put the latest commit where judging and integration find it, on any machine."""
        crash.point("publish.before")
        self.refs.put(checked_hidden(ref), self.head())
        crash.point("publish.after")

    def keep(self, attempt: str, unless: Collection[str | None] = ()) -> None:
        """Put all that is there where the next attempt finds it, on this machine.

        Not when its commit is one of `unless`.
        """
        message = f"Unfinished work of attempt {attempt}"
        try:
            head = self._all_that_fits(message)
        except SecretsFound as found:
            mask_secrets(self.path, found.details["files"])
            head = self._all_that_fits(message)
        if head not in unless:
            self.git.run("update-ref", "--end-of-options", kept_ref(attempt), head)

    def diffstat(self) -> str:
        """Which files the commits changed, and by how many lines."""
        return self.git.run(
            *("diff", "--stat", "--no-ext-diff", "--no-textconv", "--ignore-submodules=all"),
            *("--end-of-options", self.base, "HEAD", "--"),
        )

    def _all_that_fits(self, message: str) -> str:
        try:
            return self.commit(message, {})
        except UnfitNames:
            # All else is staged.
            return self._committed(message, {})

    def _stage(self) -> None:
        """Everything that isn't ignored; repositories that the agent made inside count as files."""
        if self.git.ask("add", "--all").ok and not self._new_repositories():
            return
        self._absorb_repositories()
        self.git.run("read-tree", "HEAD")
        # What can't be added keeps nothing else out.
        answer = self.git.ask("add", "--all", "--ignore-errors")
        if unfit := _UNFIT.findall(answer.errors):
            raise UnfitNames(
                f"Git keeps no files of these names: {', '.join(unfit[:10])}. Name them otherwise, "
                "or remove them."
            )
        if not answer.ok:
            raise failure(("add",), answer)

    def _in_submodules(self) -> list[str]:
        """Submodules that hold files, though nothing has filled them from their repositories."""
        if not (self.path / ".gitmodules").is_file():
            return []
        listed = self.git.run("ls-files", "--stage", "-z").split("\0")[:-1]
        links = [entry.partition("\t")[2] for entry in listed if entry.startswith(GITLINK)]
        return [each for each in links if _has_files(self.path / each)]

    def _new_repositories(self) -> bool:
        """Git would record the mere name of a commit there, and lose the files."""
        changes = self.git.run(
            *("diff-index", "--cached", "--raw", "-z", "--no-renames", "HEAD", "--"),
        )
        # One field says what changed, the next one where; a name may begin with a colon as well.
        modes = [field.split()[:2] for field in changes.split("\0")[:-1:2]]
        return any(new == GITLINK and old != f":{GITLINK}" for old, new in modes)

    def _absorb_repositories(self) -> None:
        for place, directories, files in os.walk(self.path):
            if Path(place) != self.path and ".git" in directories:
                remove_tree(Path(place, ".git"))
                directories.remove(".git")
            elif Path(place) != self.path and ".git" in files:
                Path(place, ".git").unlink()
            elif Path(place) == self.path and ".git" in directories:
                directories.remove(".git")


def _has_files(place: Path) -> bool:
    """Whether a directory has any, and is no repository of its own."""
    if place.is_symlink() or not place.is_dir() or (place / ".git").exists():
        return False
    return any(files for _, _, files in os.walk(place))
