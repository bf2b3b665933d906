"""The ledger: a call is reserved at its worst case before it is made, and settled afterwards.

Neither locks an execution, and both take their budgets in one order, so that they wait for nobody
who may be waiting for them. Events are told apart, by `alert`, for the same reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select

from conductor_app.domain import budget as rules
from conductor_app.domain.budget import Amount, Caps, Daily, Place, Refused, Scope
from conductor_app.domain.workflow_template import Budget, TaskBudget
from conductor_app.errors import InvalidInput
from conductor_app.errors import Refused as NotAllowed
from conductor_app.store import budgets, executions, workflows
from conductor_app.store.budgets import Spender, Used
from conductor_app.store.database import Transaction
from conductor_app.store.tables import executions as execution_table
from conductor_app.store.tables import projects as project_table
from conductor_app.store.tables import tasks as task_table


class AttemptEnded(NotAllowed):
    """The attempt has ended meanwhile: nothing more is spent in its name."""

    code = "attempt_ended"


class PriceUnknown(NotAllowed):
    """Nobody knows the price of this model."""

    code = "price_unknown"


@dataclass(frozen=True, slots=True)
class Reserved:
    """The worst case is set aside; `id` names it when it is settled."""

    id: str
    worst: Amount


def reserve(
    tx: Transaction, spender: Spender, worst: Amount, daily: Daily, *, priced: bool = True
) -> Reserved | Refused:
    """Set the worst case aside in every budget it comes from, or in none.

    `priced` false says that the amount's money is not known. Raises AttemptEnded, PriceUnknown.
    """
    if budgets.attempt_status(tx, spender.attempt_id) != "active":
        raise AttemptEnded
    day = rules.day_of(tx.now)
    place = spender.place(day)
    if not priced:
        _need_permission(tx, spender, place, daily)
    if not _take_all(tx, place, worst):
        _create_missing(tx, place, daily)
        if not _take_all(tx, place, worst):
            return _refused(tx, place, worst)
    return Reserved(budgets.add_reservation(tx, spender, day, worst, priced=priced), worst)


def settle(tx: Transaction, reservation_id: str, used: Used | None) -> list[str]:
    """Release the reservation and book what was used; None is unknown: the worst case.

    Once only: settled by somebody else, it stays so. The budgets whose alert is due come back.
    """
    row = budgets.reservation(tx, reservation_id)
    if row is None or not budgets.close(tx, reservation_id):
        return []
    if used is None:
        used = budgets.at_worst(row)
    spender, place = budgets.spender_of(row), budgets.place_of(row)
    budgets.charge(tx, [(place, Amount(row.tokens, row.nano_usd), used.amount)])
    budgets.add_usage(tx, spender, row.day, used, reservation_id)
    return budgets.alerts_due(tx, place.ids.values())


def release(tx: Transaction, reservation_id: str) -> None:
    """The call was refused before it cost anything: all of it is there again."""
    row = budgets.reservation(tx, reservation_id)
    if row is not None and budgets.close(tx, reservation_id):
        worst = Amount(row.tokens, row.nano_usd)
        budgets.charge(tx, [(budgets.place_of(row), worst, rules.NOTHING)])


def record(tx: Transaction, spender: Spender, used: Used, daily: Daily) -> list[str]:
    """Book what a program has spent that could not be asked beforehand; as `settle`.

    Its cap is soft: what was spent is told, even beyond the cap.
    """
    day = rules.day_of(tx.now)
    place = spender.place(day)
    _create_missing(tx, place, daily)
    budgets.charge(tx, [(place, rules.NOTHING, used.amount)])
    budgets.add_usage(tx, spender, day, used)
    return budgets.alerts_due(tx, place.ids.values())


def alert(tx: Transaction, execution_id: str, budget_ids: Sequence[str]) -> None:
    """Tell once that a budget runs short: in the stream of the execution that made it so."""
    executions.lock(tx, execution_id)
    for id_ in budget_ids:
        row = budgets.get(tx, id_)
        if row is None or not budgets.mark_alerted(tx, id_):
            continue
        account = budgets.account(row)
        tx.events.record(
            execution_id,
            "budget.alert",
            budget=id_,
            percent=row.alert_percent,
            tokens={"cap": account.caps.tokens, "spent": account.spent.tokens},
            nano_usd={"cap": account.caps.nano_usd, "spent": account.spent.nano_usd},
        )


def settle_left_behind(tx: Transaction) -> int:
    """Book at the worst case what attempts reserved that have ended since; how many calls."""
    left = budgets.left_behind(tx)
    return budgets.settle_at_worst(tx, left) if left else 0


def open_execution(tx: Transaction, execution_id: str, budget: Budget) -> None:
    """The budget of a new execution, as its template has it."""
    budgets.create(
        tx,
        rules.of_execution(execution_id),
        kind=Scope.EXECUTION,
        subject_id=execution_id,
        execution_id=execution_id,
        worked_until=tx.now,
        working_from=tx.now,
        alert_percent=rules.ALERT_PERCENT,
        **budgets.capped(caps_of(budget)),
    )


def caps_of(budget: TaskBudget) -> Caps:
    minutes = budget.minutes if isinstance(budget, Budget) else None
    return rules.caps_of(budget.tokens, budget.usd, minutes)


def caps_of_project(settings: Mapping[str, Any]) -> Caps:
    """What a project may spend in a day, by its settings' `budget`; raises InvalidInput."""
    try:
        budget = TaskBudget.model_validate(settings.get("budget") or {})
    except ValidationError as error:
        mistake = error.errors()[0]
        where = ".".join(["budget", *(str(each) for each in mistake["loc"])])
        raise InvalidInput(
            f"The project's setting `{where}` is not valid: {mistake['msg'].lower()}. "
            'Write for example {"budget": {"tokens": 200000, "usd": 20}}.'
        ) from None
    return caps_of(budget)


def _take_all(tx: Transaction, place: Place, worst: Amount) -> bool:
    """All or nothing."""
    taken: list[str] = []
    for id_ in place.ids.values():
        if not budgets.take(tx, id_, worst):
            budgets.give_back(tx, taken, worst)
            return False
        taken.append(id_)
    return True


def _refused(tx: Transaction, place: Place, worst: Amount) -> Refused:
    rows = budgets.of_ids(tx, place.ids.values())
    accounts = [budgets.account(rows[id_]) for id_ in place.ids.values()]
    found = rules.refusal(accounts, worst)
    if found is not None:
        return found
    # What was in the way has been settled since: ask again.
    return Refused(Scope.TASK, True, rules.least(each.left for each in accounts), accounts[-1])


def _need_permission(tx: Transaction, spender: Spender, place: Place, daily: Daily) -> None:
    row = budgets.get(tx, place.ids[Scope.EXECUTION])
    if row is None:
        _create_missing(tx, place, daily)
    elif row.unknown_price_by is not None:
        return
    raise PriceUnknown(
        f"Nobody knows what {spender.model} of {spender.provider} costs, so nothing can be "
        "reserved for it. Way out: give its price in conductor.yml (`prices`) and `conductor "
        "start`, or let this execution go on without one: "
        f'`conductor budget allow-unknown-price {spender.execution_id} --reason "..."`.'
    )


def _create_missing(tx: Transaction, place: Place, daily: Daily) -> None:
    """The rows of budgets that nothing was taken from yet, in the order of locking."""
    known = budgets.of_ids(tx, place.ids.values())
    for scope, id_ in place.ids.items():
        if id_ not in known:
            budgets.create(tx, id_, kind=scope, **_opening(tx, scope, place, daily))


def _opening(tx: Transaction, scope: Scope, place: Place, daily: Daily) -> dict[str, Any]:
    alert = {"alert_percent": daily.alert_percent}
    own_alert = {"alert_percent": rules.ALERT_PERCENT}
    match scope:
        case Scope.INSTALLATION_DAY:
            pool = {"emergency_tokens": daily.emergency_tokens}
            of_day = {"subject_id": "", "day": place.day}
            return {**of_day, **alert, **pool, **budgets.capped(daily.caps)}
        case Scope.PROJECT_DAY:
            settings = tx.value(
                select(project_table.c.settings).where(project_table.c.id == place.project_id)
            )
            of_day = {"subject_id": place.project_id, "day": place.day}
            return {**of_day, **alert, **budgets.capped(caps_of_project(settings or {}))}
        case Scope.EXECUTION:
            caps = caps_of(_workflow(tx, place).budget)
            of_execution = {"subject_id": place.execution_id, "execution_id": place.execution_id}
            since = {"worked_until": tx.now, "working_from": tx.now}
            return {**of_execution, **own_alert, **since, **budgets.capped(caps)}
        case Scope.TASK:
            key = tx.value(select(task_table.c.key).where(task_table.c.id == place.task_id))
            spec = _workflow(tx, place).task(key)
            of_task = {"subject_id": place.task_id, "execution_id": place.execution_id}
            return {**of_task, **budgets.capped(caps_of(spec.budget))}


def _workflow(tx: Transaction, place: Place) -> Any:
    version = tx.value(
        select(execution_table.c.workflow_version).where(execution_table.c.id == place.execution_id)
    )
    return workflows.of_version(tx, version)
