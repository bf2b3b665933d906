"""Attempts by agents that speak the Agent Client Protocol, with one made by its own package."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import programs
from tests.fakes.model_server import Space, says
from tests.fakes.programs.shop import Shop, open_shop
from workers.connectors.programs import flood

WRITE = ("write_file", {"path": "greeting.txt", "content": "grüß dich\n"})


@pytest.fixture
def shop(
    sqlite_url: str,
    home: Path,
    tmp_path: Path,
    model_server: Space,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shop]:
    url = model_server.add(
        "edits",
        says("I write.\nNow:", WRITE),
        says("", ("finish", {"summary": "It greets."})),
        says("All is done."),
    )
    with open_shop("acp", sqlite_url, home, tmp_path, model_server, monkeypatch) as shop:
        monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", url)
        yield shop


def test_an_agent_edits_by_its_client_and_every_call_is_paid(shop: Shop) -> None:
    programs.acp_agent(shop.home)
    result = shop.run()
    assert (shop.worktree / "greeting.txt").read_text() == "grüß dich\n"
    assert "All is done." in result.summary
    assert shop.log == [
        "stand-in is started",
        "I write.",
        "Now:",
        "write_file",
        "allowed: write_file",
        "wrote greeting.txt",
        "It greets.All is done.",
    ]
    assert [row[:2] for row in shop.booked()] == [("claude", "claude-sonnet-5-5")] * 3
    assert result.usage.cost_nano_usd == shop.server.ledger.cost_nano_usd
    assert shop.nothing_is_held()


def test_what_is_not_allowed_is_not_done(shop: Shop) -> None:
    programs.acp_agent(shop.home, permission_mode="deny")
    failure = shop.fails()
    assert failure.kind == "DENIED"
    assert "was not allowed to use write_file" in failure.message
    assert "denied: write_file" in shop.log
    assert not (shop.worktree / "greeting.txt").exists()


BAD_ENDS = {
    "exits": ("AGENT_ERROR", "exit code 7: out of luck."),
    "garbage": ("UNREADABLE", "never said that it was done"),
    "refuses": ("REFUSED", "its model refuses"),
    "needs_login": ("CREDENTIALS", "Authentication required"),
    "says_nothing": ("NO_RESULT", "without a word"),
    "gives_up": ("AGENT_ERROR", "there is no way."),
    "breaks": ("AGENT_ERROR", "Internal error: no disk."),
    "floods": ("UNREADABLE", "printed without end"),
}


@pytest.mark.parametrize("behaviour", BAD_ENDS)
def test_a_bad_end_has_its_kind_and_says_what_to_do(
    shop: Shop, behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flood, "MOST_LINES", 1_000)
    programs.acp_agent(shop.home, behaviour)
    kind, words = BAD_ENDS[behaviour]
    failure = shop.fails()
    assert (failure.kind, words in failure.message) == (kind, True), failure.message
    assert shop.context.usage.cost_nano_usd == shop.server.ledger.cost_nano_usd
    assert shop.nothing_is_held()


def test_what_an_agent_writes_to_its_standard_error_is_in_the_log(shop: Shop) -> None:
    programs.acp_agent(shop.home, "exits")
    shop.fails()
    assert "out of luck" in shop.log


def test_what_speaks_no_protocol_is_told_with_its_last_words(shop: Shop) -> None:
    """It is started wrongly, as a rule, and says so."""
    script = "echo Welcome; echo Error: no such option --x >&2; exit 0"
    programs.choose(shop.home, "acp", ["sh", "-c", script])
    failure = shop.fails()
    assert failure.kind == "UNREADABLE"
    assert "never said that it was done. Its last words: " in failure.message
    assert "no such option --x. Check that it speaks the Agent Client Protocol" in failure.message
    assert "parser" not in failure.message


def test_an_agent_that_is_not_there(shop: Shop) -> None:
    programs.choose(shop.home, "acp", ["no-such-agent"])
    assert shop.fails().kind == "NOT_INSTALLED"


def test_an_agent_that_hangs_is_told_to_stop_and_heard_out(shop: Shop) -> None:
    programs.acp_agent(shop.home, "hangs")
    assert shop.fails(deadline=time.monotonic() + 2).kind == "TIMEOUT"
    assert shop.log[1] == "I think no more."


def test_an_agent_is_ended_with_its_task(shop: Shop) -> None:
    programs.acp_agent(shop.home, "hangs")
    began = time.monotonic()
    assert shop.fails(cancelled=lambda: time.monotonic() > began + 1).kind == "CANCELLED"


def test_one_that_does_not_read_what_it_asked_for_is_ended_with_its_task(shop: Shop) -> None:
    (shop.worktree / "big.txt").write_text("x" * 5_000_000)
    programs.acp_agent(shop.home, "stops_reading")
    began = time.monotonic()
    assert shop.fails(cancelled=lambda: time.monotonic() > began + 1).kind == "CANCELLED"
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("behaviour", ["floods_in_a_line", "floods_with_errors"])
def test_an_agent_that_floods_without_lines_is_ended(
    shop: Shop, behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flood, "MOST_BYTES", 16 << 20)
    programs.acp_agent(shop.home, behaviour)
    failure = shop.fails(deadline=time.monotonic() + 60)
    assert (failure.kind, "printed without end" in failure.message) == ("UNREADABLE", True)


def test_an_agent_that_does_not_even_stop_is_killed(shop: Shop) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    programs.choose(shop.home, "acp", [sys.executable, "-c", code])
    began = time.monotonic()
    assert shop.fails(deadline=began + 1).kind == "TIMEOUT"
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("behaviour", ["reads_outside", "writes_outside", "asks_terminal"])
def test_its_client_serves_the_worktree_alone(shop: Shop, behaviour: str) -> None:
    (shop.worktree.parent / "secret").write_text("the secret")
    programs.acp_agent(shop.home, behaviour)
    summary = shop.run().summary
    assert summary and "it was possible" not in summary
    assert not (shop.worktree.parent / "new").exists()
    assert not (shop.worktree / ".git").exists()


def test_what_an_agent_says_of_its_cost_is_booked(shop: Shop) -> None:
    programs.acp_agent(shop.home, "tells_cost", protocol="none", env={})
    shop.run()
    assert [row[4:] for row in shop.booked()] == [(250_000_000, "soft_cap")]
    assert any("soft cap" in line for line in shop.log)


def test_an_agent_that_says_no_cost_is_priced_by_its_tokens(shop: Shop) -> None:
    choices = {"protocol": "none", "env": {}, "provider": "openai", "model": "gpt-6.1-sol"}
    programs.acp_agent(shop.home, "tells_tokens", **choices)
    shop.run()
    # 1000 at 2 USD a million, 150 at 10.
    assert [row[2:] for row in shop.booked()] == [(1000, 150, 3_500_000, "soft_cap")]


def test_what_an_agent_used_before_it_was_told_to_stop_is_booked(shop: Shop) -> None:
    """Its answer comes after its time, and makes no good end of it."""
    choices = {"protocol": "none", "env": {}, "provider": "openai", "model": "gpt-6.1-sol"}
    programs.acp_agent(shop.home, "hangs", **choices)
    assert shop.fails(deadline=time.monotonic() + 3).kind == "TIMEOUT"
    assert [(*row[2:4], row[5]) for row in shop.booked()] == [(5, 2, "soft_cap")]
