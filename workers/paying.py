"""A turn is paid for: its worst case is reserved before it, what it took is booked after it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from conductor_app.tool_specs import ToolSpec
from workers import telemetry
from workers.connectors.base import Model
from workers.failures import AttemptFailed
from workers.metering import Meter
from workers.turns import Message, Turn
from workers.wanted import WantedCall

# With fewer tokens than these an answer is worth nothing.
LEAST_OUTPUT = 1_000


class Bound(Protocol):
    """The most that a call can use, in tokens."""

    @property
    def input_tokens(self) -> int: ...

    @property
    def output_tokens(self) -> int: ...


@runtime_checkable
class Priced(Model, Protocol):
    """A model whose turns cost money."""

    provider: str
    model: str
    max_output_tokens: int

    def bound(self, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Bound:
        """Of the next turn."""
        ...


def paid_turn(
    model: Model, meter: Meter | None, messages: Sequence[Message], tools: Sequence[ToolSpec]
) -> Turn:
    """The next turn, with its price in its usage; raises AttemptFailed.

    A turn whose end is not known is booked at its worst case.
    """
    if not isinstance(model, Priced):
        return model.turn(messages, tools)
    if meter is None:
        return _turn(model, messages, tools)
    bound = model.bound(messages, tools)
    wanted = WantedCall(
        model.name,
        model.provider,
        model.model,
        bound.input_tokens,
        bound.output_tokens,
        least_output_tokens=min(LEAST_OUTPUT, bound.output_tokens),
    )
    usual = model.max_output_tokens
    with meter.call(wanted) as call:
        model.max_output_tokens = min(usual, call.max_output_tokens)
        try:
            turn = _turn(model, messages, tools)
        except AttemptFailed as failure:
            if failure.unspent:
                call.nothing_spent()
            raise
        finally:
            model.max_output_tokens = usual
        settled = call.settle(turn.usage, turn.request_id)
        telemetry.paid(model, settled)
        return replace(turn, usage=settled)


def _turn(model: Priced, messages: Sequence[Message], tools: Sequence[ToolSpec]) -> Turn:
    with telemetry.chat(model, messages, model.max_output_tokens) as chat:
        turn = model.turn(messages, tools)
        chat.answered(turn)
        return turn
