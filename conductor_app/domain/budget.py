"""Money and tokens: amounts, what of a budget is left, why a reservation is refused.

Amounts are whole tokens and whole nano-USD, so that nothing is lost by adding. Budgets nest; a call
is reserved at its worst case from the outermost to the innermost, all or nothing, and settled at
what it took. That no cap is overspent is guarded in the database as well (store/budgets.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from enum import StrEnum

NANO = 1_000_000_000
# From this share of a cap somebody should know.
ALERT_PERCENT = 80


class Scope(StrEnum):
    """What a budget is for, from the outermost to the innermost: the order of reservation."""

    INSTALLATION_DAY = "installation_day"
    PROJECT_DAY = "project_day"
    EXECUTION = "execution"
    TASK = "task"


class Basis(StrEnum):
    """Where the figures of a call come from."""

    REPORTED = "reported"
    # The word of a program that spends without asking: nothing else limits it.
    SOFT_CAP = "soft_cap"
    # Its outcome is unknown, so it counts as the worst case.
    ASSUMED = "assumed"
    # A program that says nothing of what it used.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Amount:
    """Tokens and nano-USD."""

    tokens: int = 0
    nano_usd: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(self.tokens + other.tokens, self.nano_usd + other.nano_usd)

    def __sub__(self, other: "Amount") -> "Amount":
        return Amount(self.tokens - other.tokens, self.nano_usd - other.nano_usd)

    def __bool__(self) -> bool:
        return self != NOTHING


NOTHING = Amount()


@dataclass(frozen=True, slots=True)
class Caps:
    """The limits of a budget; None is no limit."""

    tokens: int | None = None
    nano_usd: int | None = None
    working_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Daily:
    """What the installation may spend in a day, when to say that it runs short, and its pool."""

    caps: Caps = Caps(tokens=1_000_000, nano_usd=500 * NANO)
    alert_percent: int = ALERT_PERCENT
    emergency_tokens: int = 100_000


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a budget; None is without limit. Never below nothing."""

    tokens: int | None = None
    nano_usd: int | None = None

    def covers(self, worst: Amount) -> bool:
        return (self.tokens is None or worst.tokens <= self.tokens) and (
            self.nano_usd is None or worst.nano_usd <= self.nano_usd
        )


@dataclass(frozen=True, slots=True)
class Account:
    """A budget as it stands."""

    scope: Scope
    caps: Caps = Caps()
    spent: Amount = NOTHING
    reserved: Amount = NOTHING

    @property
    def left(self) -> Left:
        used = self.spent + self.reserved
        return Left(_left(self.caps.tokens, used.tokens), _left(self.caps.nano_usd, used.nano_usd))

    def covers(self, worst: Amount) -> bool:
        return self.left.covers(worst)

    def reserve(self, worst: Amount) -> "Account":
        return Account(self.scope, self.caps, self.spent, self.reserved + worst)

    def settle(self, worst: Amount, actual: Amount) -> "Account":
        return Account(self.scope, self.caps, self.spent + actual, self.reserved - worst)

    def may_cover_later(self, worst: Amount) -> bool:
        """Whether each thing that it is short of is reserved by others, who will give some back."""
        left, held = self.left, self.reserved
        return (left.tokens is None or worst.tokens <= left.tokens or held.tokens > 0) and (
            left.nano_usd is None or worst.nano_usd <= left.nano_usd or held.nano_usd > 0
        )

    def alert_due(self, percent: int) -> bool:
        """Whether that share of a cap is spent."""
        return any(
            cap is not None and spent * 100 >= cap * percent and spent > 0
            for cap, spent in (
                (self.caps.tokens, self.spent.tokens),
                (self.caps.nano_usd, self.spent.nano_usd),
            )
        )


def _left(cap: int | None, used: int) -> int | None:
    return None if cap is None else max(0, cap - used)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing was reserved: `scope` is the budget that does not cover the worst case.

    `wait`: others hold reservations there, of which most will be released; ask again soon. Else
    `left` is what every budget covers now: a smaller call may fit, or there is nothing for it.
    """

    scope: Scope
    wait: bool
    left: Left
    account: Account


def refusal(accounts: Sequence[Account], worst: Amount) -> Refused | None:
    """None when every budget covers the worst case.

    A budget that nobody's settlement can help decides before one that is worth waiting for.
    """
    short = [each for each in accounts if not each.covers(worst)]
    if not short:
        return None
    final = [each for each in short if not each.may_cover_later(worst)]
    first = (final or short)[0]
    return Refused(first.scope, not final, least(each.left for each in accounts), first)


def least(lefts: Iterable[Left]) -> Left:
    """What all of them cover."""
    known = list(lefts)
    return Left(
        min((each.tokens for each in known if each.tokens is not None), default=None),
        min((each.nano_usd for each in known if each.nano_usd is not None), default=None),
    )


def nano_usd(usd: Decimal) -> int:
    """A price in whole nano-USD, rounded up: the one place where money is rounded."""
    return int((usd * NANO).to_integral_value(ROUND_CEILING))


def usd(nano: int) -> Decimal:
    """Nano-USD as USD, exactly."""
    return Decimal(nano) / NANO


def caps_of(tokens: int | None, usd: Decimal | None, minutes: float | None) -> Caps:
    """The caps as a template or a person words them."""
    return Caps(
        tokens,
        None if usd is None else nano_usd(usd),
        None if minutes is None else round(minutes * 60_000),
    )


def day_of(now: int) -> str:
    """The UTC day (YYYY-MM-DD) of a time in milliseconds."""
    return datetime.fromtimestamp(now / 1000, UTC).date().isoformat()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call's money comes from: its project, execution and task, on a day."""

    project_id: str
    execution_id: str
    task_id: str
    day: str

    @property
    def ids(self) -> dict[Scope, str]:
        """The budgets, from the outermost to the innermost."""
        return {
            Scope.INSTALLATION_DAY: installation_day(self.day),
            Scope.PROJECT_DAY: project_day(self.project_id, self.day),
            Scope.EXECUTION: of_execution(self.execution_id),
            Scope.TASK: of_task(self.task_id),
        }


def installation_day(day: str) -> str:
    return f"installation:{day}"


def project_day(project_id: str, day: str) -> str:
    return f"project:{project_id}:{day}"


def of_execution(execution_id: str) -> str:
    return f"execution:{execution_id}"


def of_task(task_id: str) -> str:
    return f"task:{task_id}"


_ORDER = {"installation": 0, "project": 1, "execution": 2, "task": 3}


def locking_order(budget_id: str) -> tuple[int, str]:
    """One order for all transactions, so that two of them never wait for each other."""
    return _ORDER[budget_id.partition(":")[0]], budget_id


def worked(spans: Iterable[tuple[int, int | None]], since: int, now: int) -> int:
    """For how many milliseconds since then at least one of these was under way.

    A span is begin and end, None while it lasts.
    """
    total, until = 0, since
    for begin, end in sorted(spans, key=lambda span: span[0]):
        stop = min(now if end is None else end, now)
        if stop > until:
            total += stop - max(begin, until)
            until = stop
    return total
