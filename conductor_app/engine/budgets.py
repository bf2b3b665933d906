"""The ledger: a call is reserved at its worst case before it is made, and settled afterwards.

Neither locks an execution, and both take their budgets in one order, so that they wait for nobody
who may be waiting for them. Events are told apart, by `alert`, for the same reason.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from conductor_app.domain import budget as rules
from conductor_app.domain import budget_words
from conductor_app.domain.budget import Amount, Basis, Daily, Place, Refused, Scope
from conductor_app.domain.budget_names import Name
from conductor_app.engine import budget_opening as opening
from conductor_app.errors import Refused as NotAllowed
from conductor_app.ids import new_id
from conductor_app.store import budgets, executions, records
from conductor_app.store.budgets import Spender, Used
from conductor_app.store.database import Transaction

# The kind of the error that tells of a budget that runs short.
BUDGET_ALERT = "BUDGET_ALERT"
# With less than that left a budget is used up.
LEAST = Amount(1, 1)
UNKNOWN = Used(0, None, Basis.UNKNOWN)


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
    tx: Transaction, id_: str, spender: Spender, worst: Amount, daily: Daily, *, priced: bool = True
) -> Reserved | Refused:
    """Set the worst case aside in every budget it comes from, or in none; once under this id.

    `priced` false says that the amount's money is not known. Raises AttemptEnded, PriceUnknown.
    """
    if budgets.attempt_status(tx, spender.attempt_id) != "active":
        raise AttemptEnded
    if budgets.reservation(tx, id_) is not None:
        return Reserved(id_, worst)
    day = rules.day_of(tx.now)
    place = spender.place(day)
    if not priced:
        _need_permission(tx, spender, place, daily)
    if not _take_all(tx, place, worst):
        opening.create_missing(tx, place, daily)
        if not _take_all(tx, place, worst):
            return _refused(tx, place, worst)
    budgets.add_reservation(tx, id_, spender, day, worst, priced=priced)
    return Reserved(id_, worst)


def settle(tx: Transaction, reservation_id: str, used: Used | None) -> list[str]:
    """Release the reservation and book what was used; None is unknown: the worst case.

    Once only: settled by somebody else, it stays so. The budgets whose alert is due come back.
    """
    row = budgets.reservation(tx, reservation_id)
    if row is None:
        return []
    place = budgets.place_of(row)
    if budgets.close(tx, reservation_id):
        used = used or budgets.at_worst(row)
        budgets.charge(tx, [(place, Amount(row.tokens, row.nano_usd), used.amount)])
        spender = budgets.spender_of(row)
        budgets.add_usage(tx, new_id(), spender, row.day, used, reservation_id)
    return budgets.alerts_due(tx, place.ids.values())


def release(tx: Transaction, reservation_id: str) -> None:
    """The call was refused before it cost anything: all of it is there again."""
    row = budgets.reservation(tx, reservation_id)
    if row is not None and budgets.close(tx, reservation_id):
        worst = Amount(row.tokens, row.nano_usd)
        budgets.charge(tx, [(budgets.place_of(row), worst, rules.NOTHING)])


def admit(tx: Transaction, id_: str, spender: Spender, daily: Daily) -> Refused | None:
    """Something begins that spends without asking, unless a budget has nothing left: that one.

    What it spends is not known from here on, also if nobody lives to `record` it under this id.
    """
    day = rules.day_of(tx.now)
    place = spender.place(day)
    opening.create_missing(tx, place, daily)
    rows = budgets.of_ids(tx, place.ids.values())
    refused = rules.refusal([budgets.account(rows[each]) for each in place.ids.values()], LEAST)
    if refused is None and budgets.basis_of(tx, id_) is None:
        budgets.add_usage(tx, id_, spender, day, UNKNOWN)
    return refused


def record(tx: Transaction, id_: str, spender: Spender, used: Used, daily: Daily) -> list[str]:
    """Book what was spent without asking, in place of what `admit` has booked; as `settle`.

    Once under this id. Its cap is soft: what was spent is told, even beyond the cap.
    """
    day = rules.day_of(tx.now)
    place = spender.place(day)
    if budgets.basis_of(tx, id_) in (None, Basis.UNKNOWN):
        budgets.drop_usage(tx, id_)
        opening.create_missing(tx, place, daily)
        budgets.charge(tx, [(place, rules.NOTHING, used.amount)])
        budgets.add_usage(tx, id_, spender, day, used)
    return budgets.alerts_due(tx, place.ids.values())


def alert(tx: Transaction, execution_id: str, budget_ids: Sequence[str]) -> None:
    """Tell once that a budget runs short: in what the execution that made it so tells of itself."""
    execution = executions.lock(tx, execution_id)
    assert execution is not None
    for id_ in sorted(budget_ids, key=rules.locking_order):
        row = budgets.get(tx, id_)
        if row is None or not budgets.mark_alerted(tx, id_):
            continue
        account = budgets.account(row)
        spoken = Name(account.scope, row.subject_id).spoken
        message = budget_words.alert(account, row.alert_percent, spoken)
        tx.events.record(
            execution_id,
            "budget.alert",
            budget=id_,
            message=message,
            percent=row.alert_percent,
            tokens={"cap": account.caps.tokens, "spent": account.spent.tokens},
            nano_usd={"cap": account.caps.nano_usd, "spent": account.spent.nano_usd},
        )
        records.add_error(
            tx, execution_id, execution.current_phase, "medium", BUDGET_ALERT, message
        )


def settle_left_behind(tx: Transaction) -> int:
    """Book at the worst case what attempts reserved that have ended since; how many calls."""
    left = budgets.left_behind(tx)
    return budgets.settle_at_worst(tx, left) if left else 0


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
        opening.create_missing(tx, place, daily)
    elif row.unknown_price_by is not None:
        return
    raise PriceUnknown(
        f"Nobody knows what {spender.model} of {spender.provider} costs. Way out: correct the "
        "model's name if it is wrong, or give its price in conductor.yml (`prices`), and then "
        "`conductor start`; or let this execution go on without a price: "
        f"`conductor budget allow-unknown-price execution:{spender.execution_id} --reason WHY`."
    )
