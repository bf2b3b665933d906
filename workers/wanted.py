"""A call of a model as those see it who pay for it: whose it is, and what it may take."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WantedCall:
    """A call before it is made, with the most tokens that it may take.

    With `least_output_tokens` it may be granted fewer tokens out, so many at least.
    """

    connector: str
    provider: str
    model: str
    input_tokens: int
    output_tokens: int
    least_output_tokens: int | None = None
