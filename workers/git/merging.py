"""Merges without a working tree: three trees in, one tree or the conflicts out."""

from dataclasses import dataclass, replace

from workers.git.errors import GitMissing
from workers.git.program import Git, failure

USAGE = 129
SHOWN_FILES = 5
SHOWN_CHARACTERS = 4_000


@dataclass(frozen=True)
class Conflict:
    """Two changes that don't go together: the files, and git's words with the conflicting text."""

    files: tuple[str, ...]
    detail: str


def merge(git: Git, base: str, ours: str, theirs: str) -> str | Conflict:
    """The tree that has what changed from `base` to `theirs` on top of `ours` (all tree-ish).

    The three are wrapped in commits of their own, because git 2.38 and 2.39 take the merge base
    from history only.
    """
    root = _commit(git, base)
    sides = (_commit(git, ours, root), _commit(git, theirs, root))
    command = ("merge-tree", "--write-tree", "--name-only", "--messages", "-z", *sides)
    answer = git.ask(*command)
    if answer.code == USAGE:
        raise GitMissing(f"{git.run('version')} is too old; install git 2.38 or newer.")
    if answer.code not in (0, 1):
        raise failure(command, answer)
    tree, *rest = answer.output.split("\0")
    if answer.ok:
        return tree
    conflict = _conflict(git, tree, rest)
    detail = conflict.detail.replace(sides[0], "on the branch").replace(sides[1], "this work")
    return replace(conflict, detail=detail)


def tree_of(git: Git, revision: str) -> str:
    return git.run("rev-parse", "--verify", "--end-of-options", f"{revision}^{{tree}}")


def _commit(git: Git, treeish: str, *parents: str) -> str:
    links = [part for parent in parents for part in ("-p", parent)]
    return git.run("commit-tree", tree_of(git, treeish), *links, "-m", "merge")


def _conflict(git: Git, tree: str, rest: list[str]) -> Conflict:
    """`rest`: the names, an empty field, then per message: count, so many paths, type, words."""
    end = rest.index("")
    files = tuple(dict.fromkeys(rest[:end]))
    fields = iter(rest[end + 1 :])
    words = []
    for count in fields:
        if not count:
            break
        for _ in range(int(count)):
            next(fields)
        kind, message = next(fields), next(fields)
        if kind.startswith("CONFLICT"):
            words.append(message.strip())
    shown = [_marked(git, tree, name) for name in files[:SHOWN_FILES]]
    return Conflict(files, "\n".join([*words, *filter(None, shown)]))


def _marked(git: Git, tree: str, name: str) -> str:
    """The file with its conflict markers; empty when it has none to show."""
    answer = git.ask("cat-file", "blob", f"{tree}:{name}")
    if not answer.ok or "<<<<<<<" not in answer.output:
        return ""
    return f"--- {name}\n{answer.output[:SHOWN_CHARACTERS]}"
