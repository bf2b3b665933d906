"""What programs print too much of: it ends them, and it is not their summary."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import programs
from tests.fakes.model_server import Space
from tests.fakes.programs.shop import Shop, open_shop
from workers.connectors.programs import flood
from workers.connectors.programs.report import SUMMARY


@pytest.fixture
def shop(
    sqlite_url: str,
    home: Path,
    tmp_path: Path,
    model_server: Space,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shop]:
    with open_shop("command", sqlite_url, home, tmp_path, model_server, monkeypatch) as shop:
        yield shop


@pytest.mark.parametrize("script", ["yes | tr -d '\\n'", "yes >&2"])
def test_a_program_that_floods_without_lines_is_ended(
    shop: Shop, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flood, "MOST_BYTES", 16 << 20)
    programs.shell(shop.home, script)
    failure = shop.fails(deadline=time.monotonic() + 60)
    assert (failure.kind, "printed without end" in failure.message) == ("UNREADABLE", True)


def test_of_a_program_that_prints_one_long_line_the_summary_is_short(shop: Shop) -> None:
    programs.shell(shop.home, "touch new.txt; head -c 8000000 /dev/zero | tr '\\0' x; echo ' end'")
    summary = shop.run().summary
    assert summary.endswith("xxx end") and len(summary) <= SUMMARY
