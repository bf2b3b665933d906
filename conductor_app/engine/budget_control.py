"""What people ask of budgets: other caps, the emergency pool, calls of unknown price.

What a budget had stopped goes on by itself once it has more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from conductor_app.domain import budget as rules
from conductor_app.domain.budget import Daily, Scope, usd
from conductor_app.domain.budget_names import DAILY, IN_WORDS, Name
from conductor_app.domain.budget_words import title
from conductor_app.domain.people import BY
from conductor_app.domain.states import PauseReason
from conductor_app.engine import budget_opening, control, working_time
from conductor_app.errors import InvalidInput, Refused
from conductor_app.store import budget_caps, budgets, executions
from conductor_app.store.database import Transaction

# Above these, sums would not stay exact.
MOST: Mapping[str, int] = {
    "tokens": 10**15,
    "nano_usd": 10**7 * rules.NANO,
    "working_ms": 10**6 * 60_000,
}
_UNITS: Mapping[str, str] = {"tokens": "tokens", "nano_usd": "USD", "working_ms": "minutes"}


@dataclass(frozen=True, slots=True)
class Changed:
    """A budget that was changed, and the executions that go on now."""

    name: Name
    going_on: tuple[str, ...]


def set_caps(
    tx: Transaction, name: Name, daily: Daily, caps: Mapping[str, int | None], reason: str
) -> Changed:
    """Give it these caps, by unit; None is no cap. Raises InvalidInput, Refused."""
    _check(tx, name, caps)
    waiting = _lock_waiting(tx, name)
    if caps.get("working_ms") is not None and not _counts_time(tx, name):
        raise Refused(
            "The workflow of this execution has no cap on working time, so it is not counted. "
            "Give its template `budget: {minutes: N}`; the next execution has it."
        )
    before = _locked(tx, name, daily)
    if not budget_caps.cap(tx, name.id, caps):
        raise Refused(_too_low(name, before, caps))
    return _changed(tx, name, before, "budget.capped", reason, waiting)


def raise_caps(
    tx: Transaction, name: Name, daily: Daily, more: Mapping[str, int], reason: str
) -> Changed:
    """Add so much to its caps, by unit. Raises InvalidInput, Refused."""
    _check(tx, name, more)
    waiting = _lock_waiting(tx, name)
    before = _locked(tx, name, daily)
    caps: dict[str, int | None] = {}
    for unit, amount in more.items():
        cap = getattr(before, f"{unit}_cap")
        if cap is None:
            raise Refused(
                f"{title(name.scope)} has no cap on {_UNITS[unit]}, so there is nothing to raise; "
                f"`conductor budget set {name.spoken}` gives it one."
            )
        # A program whose cap is soft may have spent more than that: it is raised from there.
        caps[unit] = max(cap, _taken(before, unit)) + amount
    _check(tx, name, caps)
    budget_caps.cap(tx, name.id, caps)
    return _changed(tx, name, before, "budget.raised", reason, waiting)


def open_emergency_pool(tx: Transaction, name: Name, daily: Daily, reason: str) -> Changed:
    """Add today's pool to the installation's cap on tokens, once. Raises Refused."""
    if name.scope != Scope.INSTALLATION_DAY:
        raise Refused(
            "Only the installation's day has an emergency pool. "
            f"`conductor budget raise {name.spoken}` raises this cap."
        )
    _check(tx, name, {})
    waiting = _lock_waiting(tx, name)
    before = _locked(tx, name, daily)
    if not before.emergency_tokens:
        raise Refused("There is no emergency pool: CONDUCTOR_EMERGENCY_TOKENS is 0.")
    if not budget_caps.open_pool(tx, name.id, BY, reason):
        if before.emergency_at is None:
            raise Refused("The installation has no cap on tokens today, so it needs no pool.")
        raise Refused(
            f"Today's emergency pool is open already ({before.emergency_reason}). Way out: "
            f"`conductor budget raise {name.spoken} --tokens N --reason WHY`."
        )
    return _changed(tx, name, before, "budget.emergency_opened", reason, waiting)


def allow_unknown_price(tx: Transaction, name: Name, daily: Daily, reason: str) -> Changed:
    """Let an execution call models whose price nobody knows. Raises Refused."""
    if name.scope != Scope.EXECUTION:
        raise Refused("This is allowed to an execution: write execution:ID.")
    _check(tx, name, {})
    waiting = _lock_waiting(tx, name)
    before = _locked(tx, name, daily)
    if not budget_caps.allow_unknown_price(tx, name.id, BY, reason):
        raise Refused(
            "The execution may call models of unknown price already "
            f"({before.unknown_price_reason})."
        )
    return _changed(tx, name, before, "budget.unknown_price_allowed", reason, waiting)


def _check(tx: Transaction, name: Name, caps: Mapping[str, int | None]) -> None:
    if name.scope in DAILY and name.day != rules.day_of(tx.now):
        raise Refused(
            f"Only today's budget can be changed, and today (UTC) is {rules.day_of(tx.now)}. "
            "CONDUCTOR_DAILY_TOKENS, CONDUCTOR_DAILY_USD and a project's setting `budget` are for "
            "all days."
        )
    for unit, value in caps.items():
        if value is not None and value > MOST[unit]:
            raise InvalidInput(_too_high(unit))
    if "working_ms" in caps and name.scope != Scope.EXECUTION:
        raise InvalidInput("Only an execution has a cap on its working time.")


def _lock_waiting(tx: Transaction, name: Name) -> list[str]:
    """Lock what this budget may have stopped, before its row, as everybody does."""
    if name.scope in DAILY:
        found = executions.paused_for(tx, PauseReason.BUDGET_EXHAUSTED, name.subject or None)
        locked = executions.lock_all(tx, found)
    else:
        id_ = (
            name.subject
            if name.scope == Scope.EXECUTION
            else budget_opening.execution_of_task(tx, name.subject)
        )
        locked = {id_: control.unfinished(tx, id_)}
    return [each.id for each in locked.values() if each.reason == PauseReason.BUDGET_EXHAUSTED]


def _counts_time(tx: Transaction, name: Name) -> bool:
    execution = executions.lock(tx, name.subject)
    return execution is not None and working_time.limited(tx, execution)


def _locked(tx: Transaction, name: Name, daily: Daily) -> Row[Any]:
    budget_opening.create(tx, name, daily)
    return budget_caps.lock(tx, name.id)


def _changed(
    tx: Transaction, name: Name, before: Row[Any], type_: str, reason: str, waiting: list[str]
) -> Changed:
    """Tell of it, and let go on what waited for it."""
    row = budgets.get(tx, name.id)
    assert row is not None
    if row.alerted_at is not None and not budgets.account(row).alert_due(row.alert_percent or 100):
        budget_caps.alert_again(tx, name.id)
    tx.events.record_in(
        _stream(tx, name), type_, budget=name.id, by=BY, reason=reason, caps=_caps(row)
    )
    if not _gives_more(before, row):
        return Changed(name, ())
    for id_ in waiting:
        control.resume(tx, id_)
    return Changed(name, tuple(waiting))


def _stream(tx: Transaction, name: Name) -> str:
    match name.scope:
        case Scope.INSTALLATION_DAY:
            return "installation"
        case Scope.PROJECT_DAY:
            return f"project:{name.subject}"
        case Scope.EXECUTION:
            return f"execution:{name.subject}"
        case Scope.TASK:
            return f"execution:{budget_opening.execution_of_task(tx, name.subject)}"


def _caps(row: Row[Any]) -> dict[str, int | None]:
    return {unit: getattr(row, f"{unit}_cap") for unit in _UNITS}


def _gives_more(before: Row[Any], after: Row[Any]) -> bool:
    if before.unknown_price_by != after.unknown_price_by:
        return True
    old, new = _caps(before), _caps(after)
    return any(_more(old[unit], new[unit]) for unit in _UNITS)


def _more(old: int | None, new: int | None) -> bool:
    return old is not None and (new is None or new > old)


def _taken(row: Row[Any], unit: str) -> int:
    reserved = 0 if unit == "working_ms" else getattr(row, f"{unit}_reserved")
    return int(getattr(row, f"{unit}_spent") + reserved)


def _too_low(name: Name, row: Row[Any], caps: Mapping[str, int | None]) -> str:
    low = next(unit for unit, cap in caps.items() if cap is not None and cap < _taken(row, unit))
    return (
        f"{_shown(low, _taken(row, low))} of {IN_WORDS[name.scope]} are spent or reserved already; "
        "its cap can't be below that. To stop all work use `conductor stop`."
    )


def _too_high(unit: str) -> str:
    return f"A cap on {_UNITS[unit]} is {_shown(unit, MOST[unit])} at most; `none` is no cap."


def _shown(unit: str, value: int) -> str:
    match unit:
        case "tokens":
            return f"{value:,} tokens"
        case "nano_usd":
            return f"{usd(value):,} USD"
        case _:
            return f"{value / 60_000:,.1f} minutes"
