"""How times, money and texts are written."""

import pytest

from conductor_app.views import markdown
from conductor_app.views.units import (
    agent_name,
    between,
    duration,
    iso,
    moment,
    percent,
    shown,
    to_the_second,
    usd,
)

NOON = 1_790_000_000_123


def test_times_are_iso_in_utc() -> None:
    assert iso(NOON) == "2026-09-21T14:13:20.123Z"
    assert moment(NOON) == "2026-09-21T14:13:20Z"
    assert to_the_second(iso(NOON)) == moment(NOON)
    assert iso(None) is None


@pytest.mark.parametrize(
    ("nano", "written"),
    [
        (0, "0.00"),
        (1, "0.000000001"),
        (10_000_000, "0.01"),
        (1_500_000_000, "1.50"),
        (12_000_000_000, "12.00"),
        (1_234_567_891, "1.234567891"),
        (10**18, "1000000000.00"),
    ],
)
def test_money_is_exact(nano: int, written: str) -> None:
    assert usd(nano) == written


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "unknown"),
        (0.04, "0.0 s"),
        (9.96, "10.0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3600, "1 h"),
        (7_500, "2 h 5 min"),
    ],
)
def test_durations_in_words(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


def test_fractions_and_spans() -> None:
    assert percent(0.675) == "67.5%"
    assert between(1_000, 2_500) == 1.5
    assert between(None, 2_500) is None


def test_agents_are_shown_with_their_prefix() -> None:
    assert shown("api") == "agent-api"
    assert agent_name("agent-api") == agent_name("api") == "api"


def test_text_can_not_pass_for_markdown() -> None:
    assert markdown.text("a | *b*\n# c <i> \x1b[31m[d](e)") == r"a \| \*b\* \# c \<i\> \[d\](e)"


def test_code_keeps_its_backticks_inside() -> None:
    assert markdown.code("a `b` c") == "``a `b` c``"
    assert markdown.code("`b`") == "`` `b` ``"
    assert markdown.code("") == ""


def test_a_table_without_rows_is_nothing() -> None:
    assert markdown.table(("A", "B"), []) == []
    assert markdown.table(("A",), [("1",)]) == ["| A |", "| --- |", "| 1 |"]
