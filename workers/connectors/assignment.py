"""What a connector is opened for."""

from dataclasses import dataclass
from pathlib import Path

from conductor_app.recordings import BUILT_IN


@dataclass(frozen=True)
class Assignment:
    """One attempt at a task (its key), after so many that failed."""

    workflow: str
    task: str
    failures: int
    recordings: Path = BUILT_IN
