"""Budgets, reservations and usage: every write is guarded by the caps, and only adds or moves."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Row,
    Text,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    union_all,
    update,
)

from conductor_app.domain import budget as rules
from conductor_app.domain.budget import Account, Amount, Basis, Caps, Place, Scope
from conductor_app.ids import new_id
from conductor_app.store.database import Transaction
from conductor_app.store.prepared import Prepared, among
from conductor_app.store.tables import attempts, budgets, jobs, reservations, usage

OPEN = text("reservations.status = 'open'")

_TOKENS: BindParameter[int] = bindparam("worst_tokens", type_=BigInteger())
_NANO_USD: BindParameter[int] = bindparam("worst_nano_usd", type_=BigInteger())

# The guard: no cap is passed, whoever else reserves at the same moment.
_RESERVE = Prepared(
    update(budgets)
    .where(
        budgets.c.id == bindparam("budget"),
        or_(
            budgets.c.tokens_cap.is_(None),
            budgets.c.tokens_spent + budgets.c.tokens_reserved + _TOKENS <= budgets.c.tokens_cap,
        ),
        or_(
            budgets.c.nano_usd_cap.is_(None),
            budgets.c.nano_usd_spent + budgets.c.nano_usd_reserved + _NANO_USD
            <= budgets.c.nano_usd_cap,
        ),
    )
    .values(
        tokens_reserved=budgets.c.tokens_reserved + _TOKENS,
        nano_usd_reserved=budgets.c.nano_usd_reserved + _NANO_USD,
    )
)
_SETTLE = Prepared(
    update(budgets)
    .where(budgets.c.id == bindparam("budget"))
    .values(
        tokens_reserved=budgets.c.tokens_reserved - _TOKENS,
        nano_usd_reserved=budgets.c.nano_usd_reserved - _NANO_USD,
        tokens_spent=budgets.c.tokens_spent + bindparam("new_tokens"),
        nano_usd_spent=budgets.c.nano_usd_spent + bindparam("new_nano_usd"),
    )
)
_ADD_RESERVATION = Prepared(insert(reservations))
_ADD_USAGE = Prepared(insert(usage))
_CLOSE = Prepared(
    update(reservations)
    .where(reservations.c.id == bindparam("reservation"), OPEN)
    .values(status="settled", settled_at=bindparam("now"))
)
_AMONG = Prepared(select(budgets).where(among(budgets.c.id, "ids")))
_OPEN_OF = Prepared(select(reservations).where(among(reservations.c.attempt_id, "ids"), OPEN))
_RESERVATION = Prepared(select(reservations).where(reservations.c.id == bindparam("reservation")))
# A review is paid for in the name of its job, which stands in an attempt's place.
_ATTEMPT_STATUS = Prepared(
    union_all(
        select(attempts.c.status).where(attempts.c.id == bindparam("attempt")),
        select(jobs.c.status).where(jobs.c.id == bindparam("attempt"), jobs.c.kind == "check"),
    )
)


@dataclass(frozen=True, slots=True)
class Spender:
    """Who makes a call, of whom."""

    project_id: str
    execution_id: str
    task_id: str
    attempt_id: str
    agent: str
    connector: str
    provider: str
    model: str

    def place(self, day: str) -> Place:
        return Place(self.project_id, self.execution_id, self.task_id, day)

    @property
    def columns(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Used:
    """What a call used, as it is kept; `nano_usd` None is unknown."""

    tokens: int
    nano_usd: int | None
    basis: Basis = Basis.REPORTED
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    price_date: str | None = None
    request_id: str | None = None

    @property
    def amount(self) -> Amount:
        return Amount(self.tokens, self.nano_usd or 0)

    @property
    def columns(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def create(tx: Transaction, id_: str, **values: Any) -> None:
    """Make a budget's row; two at once make one."""
    tx.add_new(budgets, {"id": id_, "created_at": tx.now, **values})


def capped(caps: Caps) -> dict[str, int | None]:
    """Caps as columns."""
    return {
        "tokens_cap": caps.tokens,
        "nano_usd_cap": caps.nano_usd,
        "working_ms_cap": caps.working_ms,
    }


def get(tx: Transaction, id_: str) -> Row[Any] | None:
    return tx.first(_AMONG, {"ids": [id_]})


def of_ids(tx: Transaction, ids: Iterable[str]) -> Mapping[str, Row[Any]]:
    return {row.id: row for row in tx.all(_AMONG, {"ids": list(ids)})}


def account(row: Row[Any]) -> Account:
    return Account(
        Scope(row.kind),
        Caps(row.tokens_cap, row.nano_usd_cap, row.working_ms_cap),
        Amount(row.tokens_spent, row.nano_usd_spent),
        Amount(row.tokens_reserved, row.nano_usd_reserved),
    )


def take(tx: Transaction, id_: str, worst: Amount) -> bool:
    """Reserve from one budget, if its caps allow it."""
    row = {"budget": id_, "worst_tokens": worst.tokens, "worst_nano_usd": worst.nano_usd}
    return tx.changed(_RESERVE, row) == 1


def give_back(tx: Transaction, ids: Iterable[str], worst: Amount) -> None:
    """Take back what this very transaction reserved."""
    tx.later(_SETTLE, *(_move(id_, worst, rules.NOTHING) for id_ in ids))


def add_reservation(
    tx: Transaction, id_: str, spender: Spender, day: str, worst: Amount, *, priced: bool
) -> None:
    tx.later(
        _ADD_RESERVATION,
        {
            "id": id_,
            **spender.columns,
            "day": day,
            "tokens": worst.tokens,
            "nano_usd": worst.nano_usd,
            "priced": priced,
            "status": "open",
            "created_at": tx.now,
        },
    )


def reservation(tx: Transaction, id_: str) -> Row[Any] | None:
    return tx.first(_RESERVATION, {"reservation": id_})


def close(tx: Transaction, id_: str) -> bool:
    """open -> settled; False when somebody else did that."""
    return tx.changed(_CLOSE, {"reservation": id_, "now": tx.now}) == 1


def place_of(row: Row[Any]) -> Place:
    return Place(row.project_id, row.execution_id, row.task_id, row.day)


def charge(tx: Transaction, moves: Iterable[tuple[Place, Amount, Amount]]) -> None:
    """Release what was reserved and book what was spent, in the order that all transactions keep.

    Each is a place, what was reserved there, what was spent.
    """
    total: dict[str, tuple[Amount, Amount]] = defaultdict(lambda: (rules.NOTHING, rules.NOTHING))
    for place, reserved, spent in moves:
        for id_ in place.ids.values():
            before = total[id_]
            total[id_] = (before[0] + reserved, before[1] + spent)
    ordered = sorted(total, key=rules.locking_order)
    tx.later(_SETTLE, *(_move(id_, *total[id_]) for id_ in ordered))


def _move(id_: str, reserved: Amount, spent: Amount) -> dict[str, Any]:
    return {
        "budget": id_,
        "worst_tokens": reserved.tokens,
        "worst_nano_usd": reserved.nano_usd,
        "new_tokens": spent.tokens,
        "new_nano_usd": spent.nano_usd,
    }


def add_usage(
    tx: Transaction,
    id_: str,
    spender: Spender,
    day: str,
    used: Used,
    reservation_id: str | None = None,
) -> None:
    tx.later(
        _ADD_USAGE,
        {
            "id": id_,
            "reservation_id": reservation_id,
            **spender.columns,
            "day": day,
            **used.columns,
            "created_at": tx.now,
        },
    )


def basis_of(tx: Transaction, id_: str) -> str | None:
    """How what is booked under this id is known; None when nothing is."""
    basis: str | None = tx.value(select(usage.c.basis).where(usage.c.id == id_))
    return basis


def drop_usage(tx: Transaction, id_: str) -> None:
    """Before it is booked anew, better known."""
    tx.run(delete(usage).where(usage.c.id == id_))


def open_of(tx: Transaction, attempt_ids: Iterable[str]) -> Sequence[Row[Any]]:
    """What these attempts have reserved and not settled."""
    return tx.all(_OPEN_OF, {"ids": list(attempt_ids)})


def settle_at_worst(tx: Transaction, attempt_ids: Iterable[str]) -> int:
    """Book whole what attempts that have ended left unsettled: nobody knows what came of it."""
    closed = [row for row in open_of(tx, attempt_ids) if close(tx, row.id)]
    if not closed:
        return 0
    for row in closed:
        add_usage(tx, new_id(), spender_of(row), row.day, at_worst(row), row.id)
    amounts = [(row, Amount(row.tokens, row.nano_usd)) for row in closed]
    charge(tx, ((place_of(row), amount, amount) for row, amount in amounts))
    return len(closed)


def at_worst(row: Row[Any]) -> Used:
    """The whole reservation, for a call of which nobody knows what came."""
    return Used(row.tokens, row.nano_usd if row.priced else None, Basis.ASSUMED)


def spender_of(row: Row[Any]) -> Spender:
    return Spender(**{name: getattr(row, name) for name in Spender.__slots__})


def attempt_status(tx: Transaction, attempt_id: str) -> str | None:
    status: str | None = tx.value(_ATTEMPT_STATUS, {"attempt": attempt_id})
    return status


def left_behind(tx: Transaction) -> list[str]:
    """Attempts and check runs that have ended and still hold reservations."""
    statement = (
        select(reservations.c.attempt_id)
        .outerjoin(attempts, attempts.c.id == reservations.c.attempt_id)
        .outerjoin(jobs, jobs.c.id == reservations.c.attempt_id)
        .where(OPEN, func.coalesce(attempts.c.status, jobs.c.status) != "active")
        .distinct()
    )
    return [row.attempt_id for row in tx.all(statement)]


def change(tx: Transaction, id_: str, **values: Any) -> bool:
    return bool(tx.run(update(budgets).where(budgets.c.id == id_).values(**values)))


_ALERT_DUE = Prepared(
    select(budgets.c.id).where(
        among(budgets.c.id, "ids"),
        budgets.c.alerted_at.is_(None),
        or_(
            and_(
                budgets.c.tokens_spent > 0,
                budgets.c.tokens_spent * 100 >= budgets.c.tokens_cap * budgets.c.alert_percent,
            ),
            and_(
                budgets.c.nano_usd_spent > 0,
                budgets.c.nano_usd_spent * 100 >= budgets.c.nano_usd_cap * budgets.c.alert_percent,
            ),
        ),
    )
)


def alerts_due(tx: Transaction, ids: Iterable[str]) -> list[str]:
    """Of these budgets, those that have spent so much of a cap that somebody should be told."""
    return [row.id for row in tx.all(_ALERT_DUE, {"ids": list(ids)})]


def mark_alerted(tx: Transaction, id_: str) -> bool:
    """Whether this transaction is the one that tells."""
    marked = update(budgets).where(budgets.c.id == id_, budgets.c.alerted_at.is_(None))
    return bool(tx.run(marked.values(alerted_at=tx.now)))


def spans(tx: Transaction, execution_id: str, since: int) -> list[tuple[int, int | None]]:
    """When attempts that began then or later began and ended."""
    statement = select(attempts.c.started_at, attempts.c.finished_at).where(
        attempts.c.execution_id == execution_id, attempts.c.started_at >= since
    )
    return [(row.started_at, row.finished_at) for row in tx.all(statement)]


def jobs_with_working_time(tx: Transaction, job_ids: Iterable[str]) -> dict[str, str]:
    """Of these jobs' executions, by job, those whose working time has a cap."""
    of_execution = literal_column("'execution:'", Text) + jobs.c.execution_id
    statement = select(jobs.c.id, jobs.c.execution_id).where(
        jobs.c.id.in_(list(job_ids)),
        budgets.c.id == of_execution,
        budgets.c.working_ms_cap.is_not(None),
    )
    return {row.id: row.execution_id for row in tx.all(statement)}
