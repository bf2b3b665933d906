"""Prices: those of the operator first, those that are known, unknown is never nothing."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from conductor_app import prices
from conductor_app.errors import InvalidSettings
from conductor_app.prices import Prices, Tokens

AT = int(datetime(2026, 11, 20, 23, tzinfo=UTC).timestamp() * 1000)
CLAUDE = ("anthropic", "claude-sonnet-5-5")


def test_a_known_model_is_priced_by_its_parts() -> None:
    # Per million: 2 USD in, 10 out, 0.10 read from the cache, 2.50 written to it.
    tokens = Tokens(input=1000, output=100, cache_read=500, cache_write=200)
    assert Prices().nano_usd(*CLAUDE, tokens, AT) == 300 * 2000 + 500 * 100 + 200 * 2500 + 1_000_000


def test_the_price_is_that_of_the_hour_of_the_call() -> None:
    peak = int(datetime(2026, 11, 20, 2, tzinfo=UTC).timestamp() * 1000)
    model = ("deepseek", "deepseek-flash", Tokens(1000, 1000))
    assert Prices().nano_usd(*model, peak) == 2 * (Prices().nano_usd(*model, AT) or 0)


def test_a_fraction_of_a_nano_usd_is_rounded_up() -> None:
    own = prices.Rates.model_validate({"input": "0.0001", "output": 0})
    assert Prices({"a/b": own}).nano_usd("a", "b", Tokens(input=1), AT) == 1


@pytest.mark.parametrize(
    "tokens",
    [Tokens(900, 90), Tokens(900, 90, cache_write=900), Tokens(900, 90, 100, 800), Tokens(1, 0)],
)
def test_no_call_costs_more_than_its_worst_case(tokens: Tokens) -> None:
    worst = Prices().worst(*CLAUDE, 900, 90, AT)
    assert worst is not None
    assert (Prices().nano_usd(*CLAUDE, tokens, AT) or 0) <= worst


@pytest.mark.parametrize("model", [("anthropic", "no-such"), ("nobody", "claude-sonnet-5-5")])
def test_an_unknown_price_is_unknown(model: tuple[str, str]) -> None:
    assert Prices().nano_usd(*model, Tokens(1, 1), AT) is None
    assert Prices().worst(*model, 1, 1, AT) is None


def test_the_operators_price_is_the_price(home: Path) -> None:
    (home / "conductor.yml").write_text(
        "prices:\n  nobody/m: {input: 1, output: 2, cache_read: 0.5}\n"
        "  anthropic/claude-sonnet-5-5: {input: 0, output: 0}\n"
    )
    own = prices.load(home)
    assert own.nano_usd("nobody", "m", Tokens(10, 10, cache_read=4), AT) == 6000 + 2000 + 20000
    assert own.worst(*CLAUDE, 10, 10, AT) == 0


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("m: {input: 1, output: 2}", "write provider/model"),
        ("a/m: {input: 1}", "output"),
        ("a/m: {input: 1, output: 2, cach_read: 1}", "Did you mean `cache_read`"),
        ("a/m: {input: -1, output: 2}", "input is -1"),
    ],
)
def test_what_is_no_price_is_said_with_its_place(home: Path, said: str, told: str) -> None:
    (home / "conductor.yml").write_text(f"prices:\n  {said}\n")
    with pytest.raises(InvalidSettings, match=f"conductor.yml: prices.*{told}"):
        prices.load(home)
