"""What the gateway needs of an attempt's meter, as `workers.metering` has it."""

from contextlib import AbstractContextManager
from typing import Protocol

from workers.connectors.base import Usage


class MeteredCall(Protocol):
    """A call whose worst case is reserved; left without a word it counts as that."""

    def settle(self, usage: Usage) -> Usage:
        """Book what it took; the usage with its price."""
        ...

    def nothing_spent(self) -> None: ...


class CallMeter(Protocol):
    """Reserves in an attempt's budgets; raises AttemptFailed where they do not cover a call."""

    def call(
        self, connector: str, provider: str, model: str, input_bound: int, max_output_tokens: int
    ) -> AbstractContextManager[MeteredCall]: ...
