"""The provider's own bill: every request that it took on, what it counted and what it charges."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import cache
from threading import Lock
from typing import Any

from genai_prices.data import providers
from genai_prices.types import ModelInfo, ModelPrice

from tests.fakes.model_server.prompt_cache import Input

NANO_USD = 1_000_000_000
PER_MILLION = 1_000_000


@cache
def priced_model(provider: str, model: str) -> ModelInfo | None:
    return next(entry for entry in providers if entry.id == provider).find_model(model)


def cost_of(provider: str, model: str, used: Input, output: int, at: datetime) -> int | None:
    """Nano-USD, rounded up once; None when nobody knows the price."""
    known = priced_model(provider, model)
    if known is None:
        return None
    prices = known.get_prices(at)
    read = _price(prices, used.total, "cache_read_mtok", "input_mtok")
    write = _price(prices, used.total, "cache_write_mtok", "input_mtok")
    write_1h = _price(prices, used.total, "cache_write_1h_mtok", "cache_write_mtok", "input_mtok")
    dollars_times_million = (
        used.uncached * _price(prices, used.total, "input_mtok")
        + used.read * read
        + used.write_5m * write
        + used.write_1h * write_1h
        + output * _price(prices, used.total, "output_mtok")
    )
    return math.ceil(dollars_times_million * (NANO_USD // PER_MILLION))


def _price(prices: ModelPrice, input_tokens: int, *names: str) -> Decimal:
    """The first of these prices that there is, in USD per million tokens, of the tier reached."""
    found = next((price for name in names if (price := getattr(prices, name)) is not None), None)
    if found is None:
        return Decimal(0)
    if isinstance(found, Decimal):
        return found
    reached = [tier.price for tier in found.tiers if input_tokens > tier.start]
    return Decimal(reached[-1]) if reached else found.base


@dataclass(frozen=True)
class Entry:
    """One billed request; `reported` is the usage as the client was told it, which may be false."""

    request_id: str
    scenario: str
    provider: str
    model: str
    key: str
    at: datetime
    used: Input
    output_tokens: int
    cost_nano_usd: int | None
    reported: Mapping[str, Any] | None

    @property
    def tokens(self) -> int:
        return self.used.total + self.output_tokens


@dataclass(frozen=True)
class Sum:
    """Entries added up; a request of unknown price adds no cost and is counted in `unpriced`."""

    requests: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    cost_nano_usd: int = 0
    unpriced: int = 0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def plus(self, entry: Entry) -> "Sum":
        return Sum(
            self.requests + 1,
            self.input_tokens + entry.used.total,
            self.cache_read_tokens + entry.used.read,
            self.cache_write_tokens + entry.used.written,
            self.output_tokens + entry.output_tokens,
            self.cost_nano_usd + (entry.cost_nano_usd or 0),
            self.unpriced + (entry.cost_nano_usd is None),
        )


class Ledger:
    """The entries in the order of billing, and their sums."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._entries: list[Entry] = []
        self._by_model: dict[str, Sum] = {}
        self._total = Sum()

    def __iter__(self) -> Iterator[Entry]:
        with self._lock:
            return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def book(self, entry: Entry) -> None:
        with self._lock:
            self._entries.append(entry)
            self._total = self._total.plus(entry)
            self._by_model[entry.model] = self._by_model.get(entry.model, Sum()).plus(entry)

    @property
    def total(self) -> Sum:
        return self._total

    @property
    def by_model(self) -> dict[str, Sum]:
        with self._lock:
            return dict(self._by_model)

    @property
    def cost_nano_usd(self) -> int:
        return self._total.cost_nano_usd
