"""What a program has said of its work, and what reads it line by line."""

import json
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Protocol

from conductor_app import masking
from workers.failures import FailureKind
from workers.turns import Usage

NANO = 1_000_000_000
# No attempt uses more: a program that says so is not believed.
MOST_TOKENS = 10**12
MOST_USD = 10**6
MOST_TURNS = 10**6
# How many characters of what it says last are its summary: it goes into a row and a commit message.
SUMMARY = 20_000
# No secret is longer: so much more is held, to mask what the cut of the summary would halve.
_LONGEST_SECRET = 8_192
HELD = SUMMARY + _LONGEST_SECRET
_SPACE = re.compile(r"\s")


@dataclass(frozen=True)
class Complaint:
    """A program's own word that it failed."""

    kind: FailureKind
    message: str


@dataclass
class Report:
    """Grows with every line; what a program never says stays None.

    `usage` counts tokens, without their price; `cost_nano_usd` is what the program says that it
    cost; `denied` names the tools that it wanted and was not allowed to use.
    """

    model: str = ""
    turns: int = 0
    usage: Usage | None = None
    cost_nano_usd: int | None = None
    denied: list[str] = field(default_factory=list)
    complaint: Complaint | None = None
    # It has said that it is at its end; one without words for that is when its process is.
    ended: bool = False
    # Lines that were not in its own format.
    strange: int = 0
    # Of a program that prints for people: most of it can't be read by anybody.
    garbled: bool = False
    _said: str = field(default="", init=False)

    @property
    def summary(self) -> str:
        """What it said last, masked, no longer than a summary may be."""
        said = masking.words(self._said)
        if len(self._said) == HELD:
            # It begins in the middle of a word, which may be half a secret.
            space = _SPACE.search(said, 0, _LONGEST_SECRET)
            said = said[space.start() if space else _LONGEST_SECRET :]
        return said[-SUMMARY:]

    @summary.setter
    def summary(self, text: str) -> None:
        self._said = text[-HELD:]

    def says(self, piece: str) -> None:
        """The summary goes on with that."""
        self._said = (self._said + piece)[-HELD:]


class Parser(Protocol):
    """Understands one program's standard output."""

    report: Report

    def read(self, line: str) -> str | None:
        """What the live log says of this line; None when it says nothing new."""
        ...


class EventParser(ABC):
    """For programs that print one JSON object a line; extend it with what each `type` means."""

    def __init__(self) -> None:
        self.report = Report()

    def read(self, line: str) -> str | None:
        if not line.strip():
            return None
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            event = None
        if not isinstance(event, dict):
            self.report.strange += 1
            return line
        return self.event(event)

    @abstractmethod
    def event(self, event: dict[str, Any]) -> str | None:
        """What the live log says of it; types that are not known are passed over."""


def entry(of: Any, name: str) -> dict[str, Any]:
    """The object of that name, empty when there is none."""
    value = of.get(name) if isinstance(of, dict) else None
    return value if isinstance(value, dict) else {}


def entries(of: Any, name: str) -> list[dict[str, Any]]:
    """The objects in the list of that name; whatever else is in it is left out."""
    value = of.get(name) if isinstance(of, dict) else None
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def words(of: Any, name: str) -> str:
    """The text of that name, empty when there is none."""
    value = of.get(name) if isinstance(of, dict) else None
    return value if isinstance(value, str) else ""


def count(of: Any, name: str, most: int = MOST_TOKENS) -> int:
    """The whole number of that name, 0 when it is below zero or more than there can be."""
    value = of.get(name) if isinstance(of, dict) else None
    usable = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most
    return value if usable and value is not None else 0


def all_told(of: Any, *names: str) -> bool:
    """Whether each of these counts is there and can be: what is left out was not free."""
    return isinstance(of, dict) and all(
        type(of.get(name)) is int and of[name] == count(of, name) for name in names
    )


def nano_usd(of: Any, name: str) -> int | None:
    """The USD of that name in nano-USD; None when it says none."""
    value = of.get(name) if isinstance(of, dict) else None
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return in_nano_usd(value) if usable and value is not None else None


def in_nano_usd(usd: float) -> int | None:
    """None for what nobody spends, and for what is no number."""
    return round(usd * NANO) if 0 <= usd <= MOST_USD else None


def believed(usage: Usage | None) -> Usage | None:
    """None where it tells none, or more in all than there can be: it is not known."""
    return usage if usage and usage.tokens <= MOST_TOKENS else None


def kind_of_status(status: int | None) -> FailureKind:
    """Why a model's provider refuses, as far as the HTTP status tells."""
    if status == 429:
        return FailureKind.API_LIMIT
    if status == 402:
        return FailureKind.SPEND_LIMIT
    if status in (401, 403):
        return FailureKind.CREDENTIALS
    if status is not None and 400 <= status < 500 and status != 408:
        return FailureKind.BAD_REQUEST
    if status == 529:
        return FailureKind.API_LIMIT
    return FailureKind.TEMPORARY_FAILURE
