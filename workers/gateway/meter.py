"""What programs and the gateway need of an attempt's meter, as `workers.metering` has it."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from workers.turns import Usage
from workers.wanted import WantedCall


class MeteredCall(Protocol):
    """A call whose worst case is reserved; left without a word it counts as that."""

    @property
    def max_output_tokens(self) -> int:
        """What the answer may have at most; less than asked for where budgets are nearly used."""
        ...

    def settle(self, usage: Usage, request_id: str | None = None) -> Usage:
        """Book what it took; the usage with its price."""
        ...

    def nothing_spent(self) -> None: ...


class CallMeter(Protocol):
    """Reserves in an attempt's budgets; raises AttemptFailed where they do not cover a call."""

    def call(self, wanted: WantedCall) -> AbstractContextManager[MeteredCall]: ...

    def admit(self, connector: str, provider: str, model: str) -> str:
        """Before a run of what spends without asking: its id. Raises AttemptFailed as `call`."""
        ...

    def record(
        self, run: str, connector: str, provider: str, model: str, usage: Usage | None
    ) -> Usage:
        """Book what the run has spent; None is not known. The usage with its price."""
        ...


class Unmetered:
    """Where an attempt has no budget: everything is allowed, nothing is booked."""

    @contextmanager
    def call(self, wanted: WantedCall) -> Iterator[MeteredCall]:
        yield _Free(wanted.output_tokens)

    def admit(self, connector: str, provider: str, model: str) -> str:
        return ""

    def record(
        self, run: str, connector: str, provider: str, model: str, usage: Usage | None
    ) -> Usage:
        return usage or Usage()


@dataclass(frozen=True)
class _Free:
    max_output_tokens: int

    def settle(self, usage: Usage, request_id: str | None = None) -> Usage:
        return usage

    def nothing_spent(self) -> None:
        """Nothing was reserved."""
