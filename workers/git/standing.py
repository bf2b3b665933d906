"""Which commits of a branch still stand: neither rolled back nor taken back since."""

from collections.abc import Collection, Iterable

from workers.git.messages import Commit

# What Conductor's own commits say about those before them.
RESTORES = "Conductor-Restores"
REVERTS = "Conductor-Reverts"


def standing(newest_first: Iterable[Commit], tasks: Collection[str]) -> list[str]:
    """The commits of these tasks (keys) whose changes the tip still has, newest first."""
    found: list[str] = []
    taken_back: set[str] = set()
    restored: str | None = None
    for commit in newest_first:
        if restored is not None and commit.sha != restored:
            continue
        restored = commit.trailers.get(RESTORES)
        taken_back.update(commit.trailers.get(REVERTS, "").split())
        if commit.trailers.get("Conductor-Task") in tasks and commit.sha not in taken_back:
            found.append(commit.sha)
    return found
