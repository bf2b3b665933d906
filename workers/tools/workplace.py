"""What tools work on: the worktree, the sandbox, the time that is left, and how they answer."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from conductor_app.domain.outcome import Question
from conductor_app.domain.signals import SignalType
from workers.environment import Environment
from workers.sandbox import Sandbox


class ToolFault(Exception):
    """A call could not be carried out; the sentence tells the model what to do instead."""


class Desk(Protocol):
    """Where an agent leaves word for people; the same said twice by one task is one row."""

    def answer(self, question: Question) -> str | None:
        """What a person has decided; None while nobody has, and when it was never asked."""

    def remember(self, category: str, lesson: str, action: str) -> None:
        """Propose a lesson. Raises ToolFault."""

    def signal(self, type_: SignalType, title: str, detail: str) -> None:
        """Tell of something that may need action. Raises ToolFault."""


@dataclass(frozen=True)
class Workplace:
    """One attempt's surroundings, as far as tools need them; `deadline` by `time.monotonic()`.

    `environment` is what the project's `setup` prepared, `hosts` what commands may reach.
    """

    worktree: Path | None
    sandbox: Sandbox
    artifacts: Path
    cancelled: Callable[[], bool]
    deadline: float
    environment: Environment | None = None
    hosts: Sequence[str] = ()
    # None where nobody would read what is left there.
    desk: Desk | None = None

    @property
    def root(self) -> Path:
        if self.worktree is None:
            raise ToolFault("This task has no files; do it without, and call finish.")
        return self.worktree

    def seconds_left(self) -> float:
        return self.deadline - time.monotonic()


@dataclass(frozen=True)
class Answer:
    """What a tool did, in full; `exit_code` for commands only."""

    output: str
    ok: bool = True
    exit_code: int | None = None
