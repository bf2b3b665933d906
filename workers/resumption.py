"""Whether an attempt goes on where an earlier one stopped: with its conversation and its files."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conductor_app import logs
from conductor_app.engine.claim import Claim
from workers.conversation import Earlier, read_back
from workers.git.errors import GitFailed
from workers.tools.toolbox import ASK
from workers.transcript import read_lines
from workers.workspace import Repository

# How long somebody else may still be about to keep the files of an attempt that is over, in
# seconds.
PATIENCE = 3.0
_LOOK_AGAIN = 0.05
INTERRUPTED = (
    "The work was interrupted here and goes on now. The files are as you left them, but for those "
    "that git ignores: these are gone, and so are processes that were running."
)


@dataclass(frozen=True)
class Start:
    """Where an attempt begins: at a commit, with files, after what was said before.

    `base` is None for a task without files, `files` where they are those of `base`.
    """

    base: str | None
    files: str | None = None
    earlier: Earlier | None = None

    def header(self, connector: str) -> Mapping[str, Any]:
        """What the attempt's own transcript says of it, for whoever goes on with that."""
        return {"connector": connector, "base": self.base}


def goes_on(
    claim: Claim, connector: str, artifacts: Path, repository: Repository | None
) -> Start | None:
    """Where the attempt can go on; None when it has to start over.

    `artifacts` has the directories of the execution's attempts. The transcripts of `claim.earlier`
    are whole turns, so what they tell holds if the files are here that their last turn left.
    """
    for attempt_id in claim.earlier:
        try:
            if repository is not None and not _let_go(repository, attempt_id):
                return None
            lines = read_lines(artifacts / attempt_id)
            if len(lines) > 1:
                return _checked(read_back(lines, ASK), attempt_id, connector, repository)
        except GitFailed as problem:
            logs.warning("not_resumed", name=claim.task_key, error=problem)
            return None
        # It never came so far as to begin: what its predecessor left still holds.
    return None


def _let_go(repository: Repository, attempt_id: str) -> bool:
    """Whether no process works on it any more; then what it left is kept."""
    deadline = time.monotonic() + PATIENCE
    while attempt_id not in repository.prune({attempt_id}):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_AGAIN)
    return True


def _checked(
    earlier: Earlier | None, attempt_id: str, connector: str, repository: Repository | None
) -> Start | None:
    """Not after a turn that was begun and may have changed files: nobody knows which."""
    if earlier is None or not earlier.clean or earlier.header.get("connector") != connector:
        return None
    if repository is None:
        return Start(None, earlier=earlier)
    base = earlier.header.get("base")
    files = repository.left_by(attempt_id, base) if isinstance(base, str) else None
    if files is None:
        return None
    return Start(base, files, earlier)
