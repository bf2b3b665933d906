"""What a call costs: the operator's prices, else those of genai-prices, at the time of the call."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from conductor_app import configuration
from conductor_app.domain.budget import nano_usd
from conductor_app.domain.workflow_checks import Model
from conductor_app.errors import InvalidSettings

SECTION = "prices"
_MILLION = 1_000_000

Rate = Annotated[Decimal, Field(ge=0, le=10**6)]


class Rates(Model):
    """USD per million tokens; input is what was neither read from the cache nor written to it."""

    input: Rate
    output: Rate
    cache_read: Rate | None = Field(None, description="Unset: as input")
    cache_write: Rate | None = Field(None, description="Unset: as input")


@dataclass(frozen=True, slots=True)
class Tokens:
    """What is priced; `input` is all of it, with what was read from or written to the cache."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


class Prices:
    """The prices of all models; those of an operator go before those that are commonly known."""

    def __init__(self, own: Mapping[str, Rates] | None = None) -> None:
        self._own = dict(own or {})

    def nano_usd(self, provider: str, model: str, tokens: Tokens, at: int) -> int | None:
        """The price of a call made at this time (ms), rounded up once; None is unknown."""
        rates = self._own.get(f"{provider}/{model}")
        if rates is not None:
            return nano_usd(_priced(rates, tokens))
        parts = {"cache_read_tokens": tokens.cache_read, "cache_write_tokens": tokens.cache_write}
        return _known(provider, model, tokens.input, tokens.output, parts, at)

    def per_million(self, provider: str, model: str, at: int) -> tuple[Decimal, Decimal] | None:
        """USD for a million tokens in, and out, of a short call; None is unknown."""
        each = [
            self.nano_usd(provider, model, tokens, at) for tokens in (Tokens(1000), Tokens(0, 1000))
        ]
        known = [Decimal(nano) / _MILLION for nano in each if nano is not None]
        return (known[0], known[1]) if len(known) == len(each) else None

    def worst(self, provider: str, model: str, input: int, output: int, at: int) -> int | None:
        """The most that a call of at most so many tokens can cost; None is unknown."""
        if f"{provider}/{model}" in self._own:
            cases = (Tokens(input, output), Tokens(input, output, cache_write=input))
            found = [self.nano_usd(provider, model, each, at) for each in cases]
        else:
            # Written to the cache a token costs more than read from the request, for an hour most.
            written = {"cache_write_tokens": input}
            for_an_hour = {**written, "cache_write_1h_tokens": input}
            found = [
                _known(provider, model, input, output, parts, at)
                for parts in ({}, written, for_an_hour)
            ]
        known = [each for each in found if each is not None]
        return max(known) if known else None


def load(home: Path) -> Prices:
    """With what conductor.yml says under `prices`, by `provider/model`. Raises InvalidSettings."""
    own: dict[str, Rates] = {}
    for name, said in configuration.section(home, SECTION).items():
        where = f"{home / configuration.FILE_NAME}: {SECTION}.{name}"
        if "/" not in str(name):
            raise InvalidSettings(f"{where}: write provider/model, such as deepseek/my-model.")
        try:
            own[str(name)] = Rates.model_validate(said)
        except ValidationError as error:
            told = configuration.sentence(error, tuple(Rates.model_fields))
            raise InvalidSettings(f"{where}: {told}") from None
    return Prices(own)


def date_of(at: int) -> str:
    """The UTC day (YYYY-MM-DD) whose prices hold at this time."""
    return datetime.fromtimestamp(at / 1000, UTC).date().isoformat()


def _priced(rates: Rates, tokens: Tokens) -> Decimal:
    read = rates.input if rates.cache_read is None else rates.cache_read
    written = rates.input if rates.cache_write is None else rates.cache_write
    plain = max(0, tokens.input - tokens.cache_read - tokens.cache_write)
    total = (
        plain * rates.input
        + tokens.cache_read * read
        + tokens.cache_write * written
        + tokens.output * rates.output
    )
    return total / _MILLION


def _known(
    provider: str, model: str, input: int, output: int, parts: Mapping[str, int], at: int
) -> int | None:
    # A quarter of a second, and only live models need it.
    from genai_prices import Usage, calc_price

    try:
        found = calc_price(
            Usage(input_tokens=input, output_tokens=output, **parts),
            model,
            provider_id=provider,
            # Ours: what a price was must not depend on when it is looked up.
            genai_request_timestamp=datetime.fromtimestamp(at / 1000, UTC),
        )
    except (LookupError, ValueError):
        return None
    return nano_usd(found.total_price)
