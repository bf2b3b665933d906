"""How times, durations, money, fractions and agents are written for people and programs."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

# Of programs that don't say which one they work with.
UNKNOWN_MODEL = "unknown model"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NANO = 10**9


def iso(at: int | None) -> str | None:
    """Milliseconds since 1970 as ISO 8601 in UTC, to the millisecond."""
    return None if at is None else _written(at, "milliseconds")


def moment(at: int) -> str:
    """The same to the second, as the files of document 000 have it."""
    return _written(at, "seconds")


def to_the_second(written: str | None) -> str:
    """A time that `iso` has written, without its milliseconds."""
    return f"{written[:19]}Z" if written else "not yet"


def _written(at: int, precision: str) -> str:
    time = _EPOCH + timedelta(milliseconds=at)
    return time.isoformat(timespec=precision).replace("+00:00", "Z")


def percent(fraction: float) -> str:
    return f"{fraction * 100:.1f}%"


def seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds / 1000, 3)


def between(started: int | None, ended: int | None) -> float | None:
    """The seconds between two times, None while one of them is not known."""
    return None if started is None or ended is None else seconds(ended - started)


def days(first: str | None, last: str | None) -> list[str]:
    """From which day to which: two days, one, or none."""
    return sorted({day for day in (first, last) if day is not None})


def usd(nano: int) -> str:
    """Nano-USD as a decimal string of USD, with cents at least and nothing rounded."""
    dollars, rest = divmod(nano, NANO)
    return f"{dollars}.{f'{rest:09d}'.rstrip('0'):0<2}"


def budget_line(budget: Mapping[str, Any]) -> str:
    """`5,887 of 53,000 tokens, 0.01 of 5.00 USD`, and what is reserved for calls under way."""
    words = []
    for unit, name in (("tokens", "tokens"), ("usd", "USD")):
        part = budget[unit]
        cap = "" if part["cap"] is None else f" of {_grouped(part['cap'])}"
        held = float(part["reserved"]) > 0
        reserved = f" ({_grouped(part['reserved'])} reserved)" if held else ""
        words.append(f"{_grouped(part['spent'])}{cap} {name}{reserved}")
    return ", ".join(words)


def questions_line(count: int) -> str:
    """How many questions of agents wait for a person, and where these are."""
    return f"{count} {'waits' if count == 1 else 'wait'} for an answer: `conductor decisions`"


def _grouped(amount: int | str) -> str:
    return f"{amount:,}" if isinstance(amount, int) else amount


def duration(of: float | None) -> str:
    """Seconds in words: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if of is None:
        return "unknown"
    if of < 10:
        return f"{of:.1f} s"
    whole = round(of)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def numbered(attempt: Mapping[str, Any]) -> str:
    """`attempt 2`, or `attempt 1 of generation 2` of a task that was begun anew."""
    of = f" of generation {attempt['generation']}" if attempt["generation"] > 1 else ""
    return f"attempt {attempt['number']}{of}"


def shown(agent: str) -> str:
    """An agent's name as document 000 shows it."""
    return f"agent-{agent}"


def agent_name(shown_or_not: str) -> str:
    return shown_or_not.removeprefix("agent-")
