"""Tables on a narrow terminal: text wraps between words, and no figure or date is broken."""

from collections.abc import Callable

import pytest

from conductor_app.cli.output import Output

Shown = Callable[..., list[str]]
HEAD = ("Day", "Title", "Tokens in", "Prices of")
ROWS = [("2027-01-15", "What was done on a long day", "1,202,400", "2027-01-14 to 2027-01-15")]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shown:
    """The lines of a table on a terminal of this width."""

    def shown(width: int, *dispensable: str) -> list[str]:
        monkeypatch.setattr("conductor_app.cli.output.WIDTH_FOR_PROGRAMS", width)
        Output().table(HEAD, ROWS, dispensable)
        return [line.rstrip() for line in capsys.readouterr().out.splitlines()]

    return shown


def test_where_there_is_room_a_row_is_a_line(shown: Shown) -> None:
    assert shown(78) == [
        "Day         Title                        Tokens in  Prices of",
        "2027-01-15  What was done on a long day  1,202,400  2027-01-14 to 2027-01-15",
    ]


def test_text_wraps_between_words(shown: Shown) -> None:
    assert shown(51, "Title") == [
        "Day         Title          Tokens in  Prices of",
        "2027-01-15  What was done  1,202,400  2027-01-14 to",
        "            on a long day             2027-01-15",
    ]


def test_then_columns_are_left_out_and_named(shown: Shown) -> None:
    assert shown(34, "Silent", "Prices of", "Title") == [
        "Day         Title        Tokens in",
        "2027-01-15  What was     1,202,400",
        "            done on a",
        "            long day",
        "The terminal is too narrow for Prices of; `--json` has it all.",
    ]
    assert shown(25, "Title", "Prices of")[-1].startswith(
        "The terminal is too narrow for Title, Prices of; "
    )


def test_at_last_the_widest_gives_way_and_what_is_cut_is_marked(shown: Shown) -> None:
    lines = shown(18, "Title", "Prices of")
    assert lines[:2] == ["          Tokens", "Day       in"]
    assert lines[2].startswith("2027-01…  ")
    assert shown(1)
