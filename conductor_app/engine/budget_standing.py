"""Which budget is meant, and how it stands, whether something was taken from it yet or not."""

from collections.abc import Mapping
from typing import Any

from conductor_app.domain import budget as rules
from conductor_app.domain import budget_names
from conductor_app.domain.budget import Daily, Scope
from conductor_app.domain.budget_names import Name
from conductor_app.engine import budget_opening, projects
from conductor_app.errors import InvalidInput, NotFound
from conductor_app.store import budget_caps, budgets, executions, tasks
from conductor_app.store.database import Transaction


def find(tx: Transaction, text: str) -> Name:
    """The budget that a person names. Raises InvalidInput, NotFound, Ambiguous."""
    name = budget_names.parse(text, rules.day_of(tx.now))
    if name is None:
        raise InvalidInput(
            f"`{text}` names no budget. Write installation, project:NAME, execution:ID or task:ID; "
            "the first two may be followed by a day (UTC): installation:2027-01-15."
        )
    match name.scope:
        case Scope.INSTALLATION_DAY:
            return name
        case Scope.PROJECT_DAY:
            return Name(name.scope, str(projects.find(tx, name.subject).id), name.day)
        case Scope.EXECUTION if not executions.exists(tx, name.subject):
            raise NotFound(f"There is no execution {name.subject}; `conductor status` shows one.")
        case Scope.TASK if tasks.get(tx, name.subject) is None:
            raise NotFound(f"There is no task {name.subject}; `conductor tasks` lists them.")
    return name


def standing(tx: Transaction, name: Name, daily: Daily) -> Mapping[str, Any]:
    """Its row by column; as it would begin, where nothing was taken from it yet."""
    row = budgets.get(tx, name.id)
    if row is not None:
        return dict(row._mapping)
    return budget_caps.unwritten(name.id, budget_opening.opening(tx, name, daily))
