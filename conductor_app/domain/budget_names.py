"""What people call budgets: `installation`, `project:ID`, `execution:ID`, `task:ID`.

A day (UTC) may follow the first two: `installation:2027-01-15`; without one it is today's.
"""

import re
from dataclasses import dataclass
from datetime import date

from conductor_app.domain import budget
from conductor_app.domain.budget import Place, Scope

_KINDS = {
    "installation": Scope.INSTALLATION_DAY,
    "project": Scope.PROJECT_DAY,
    "execution": Scope.EXECUTION,
    "task": Scope.TASK,
}
DAILY = (Scope.INSTALLATION_DAY, Scope.PROJECT_DAY)
_DAY = re.compile(r"(?:^|:)(\d{4}-\d{2}-\d{2})$")
IN_WORDS = {
    Scope.INSTALLATION_DAY: "today's budget of the installation",
    Scope.PROJECT_DAY: "today's budget of the project",
    Scope.EXECUTION: "the budget of the execution",
    Scope.TASK: "the budget of the task",
}


@dataclass(frozen=True, slots=True)
class Name:
    """One budget; `subject` is the id of its project, execution or task."""

    scope: Scope
    subject: str = ""
    day: str = ""

    @property
    def id(self) -> str:
        """As its row has it."""
        match self.scope:
            case Scope.INSTALLATION_DAY:
                return budget.installation_day(self.day)
            case Scope.PROJECT_DAY:
                return budget.project_day(self.subject, self.day)
            case Scope.EXECUTION:
                return budget.of_execution(self.subject)
            case Scope.TASK:
                return budget.of_task(self.subject)

    @property
    def spoken(self) -> str:
        """As commands take it, without the day."""
        kind = next(kind for kind, scope in _KINDS.items() if scope == self.scope)
        return f"{kind}:{self.subject}" if self.subject else kind


def parse(text: str, today: str) -> Name | None:
    """The budget of this name; None when it is none. Whether its subject exists is not asked."""
    kind, _, rest = text.partition(":")
    scope = _KINDS.get(kind)
    if scope is None:
        return None
    day = ""
    if scope in DAILY:
        day = today
        if found := _DAY.search(rest):
            day, rest = found[1], rest[: found.start()]
            if not is_day(day):
                return None
    if bool(rest) == (scope == Scope.INSTALLATION_DAY) or text.endswith(":"):
        return None
    return Name(scope, rest, day)


def names(place: Place) -> tuple[Name, ...]:
    """The budgets that a call is taken from, from the outermost to the innermost."""
    return (
        Name(Scope.INSTALLATION_DAY, day=place.day),
        Name(Scope.PROJECT_DAY, place.project_id, place.day),
        Name(Scope.EXECUTION, place.execution_id),
        Name(Scope.TASK, place.task_id),
    )


def is_day(text: str) -> bool:
    """Whether it is a day as YYYY-MM-DD."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
