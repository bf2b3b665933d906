"""Attempts by coding-agent programs: paid for call by call, and every bad end has its own kind."""

import json
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.fakes import programs
from tests.fakes.model_server import Space
from tests.fakes.programs.shop import KEY, Shop, open_shop
from workers.connectors.programs import flood
from workers.connectors.programs.attempt import OUTPUT_FILE
from workers.connectors.programs.flood import MOST_LOGGED
from workers.connectors.programs.report import SUMMARY
from workers.gateway.account import CALLS_FILE
from workers.sandbox import CommandResult, Sandbox, SandboxFailed

MODEL_USAGE = {"claude-sonnet-5-5": {"inputTokens": 1000, "outputTokens": 100}}


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


def test_a_program_works_through_the_gateway_and_every_call_is_paid(shop: Shop) -> None:
    programs.coder(shop.home)
    result = shop.run()
    assert (shop.worktree / "greeting.py").read_text() == 'GREETING = "hello"\n'
    assert "greeting.py says hello." in result.summary
    billed = list(shop.server.ledger)
    assert [row[:2] for row in shop.booked()] == [("claude", "claude-sonnet-5-5")] * 4
    assert sum(row[4] or 0 for row in shop.booked()) == sum(each.cost_nano_usd for each in billed)
    assert result.usage.cost_nano_usd == shop.server.ledger.cost_nano_usd
    assert {request.key for request in shop.server.requests} == {KEY}
    assert len((shop.artifacts / CALLS_FILE).read_text().splitlines()) == 4
    assert shop.nothing_is_held()


def claude_says(**result: Any) -> str:
    """A script that prints what Claude Code prints at its end."""
    lines = [
        {"type": "system", "subtype": "init", "model": "claude-sonnet-5-5"},
        {"type": "result", "subtype": "success", "is_error": False, "result": "", **result},
    ]
    return "\n".join(f"echo {shlex.quote(json.dumps(line))}" for line in lines)


API_ERROR = {"is_error": True, "result": "API Error: overloaded", "terminal_reason": "api_error"}
BAD_ENDS: dict[str, tuple[str, str | None, str, str]] = {
    # What it does, how its output is read, the kind of failure, words of its sentence.
    "exit code": ("echo broken >&2; exit 3", None, "AGENT_ERROR", "exit code 3: broken."),
    "exits 0 with an error": (
        claude_says(**API_ERROR, api_error_status=529),
        "claude-code",
        "API_LIMIT",
        "API Error: overloaded. It is tried again later.",
    ),
    "exits 0, had a wrong key": (
        claude_says(**API_ERROR, api_error_status=401),
        "claude-code",
        "CREDENTIALS",
        "Correct the key",
    ),
    "its own limit of turns": (
        claude_says(subtype="error_max_turns") + "; exit 1",
        "claude-code",
        "TOOL_LIMIT",
        "raise `max_turns`",
    ),
    "its own limit of money": (
        claude_says(subtype="error_max_budget_usd") + "; exit 1",
        "claude-code",
        "BUDGET_EXHAUSTED",
        "Raise `max_usd`",
    ),
    "denied": (
        claude_says(result="I can't.", permission_denials=[{"tool_name": "Bash"}]),
        "claude-code",
        "DENIED",
        "was not allowed to use Bash",
    ),
    "garbage": ("head -c 3000 /dev/urandom", "claude-code", "UNREADABLE", "`parser`"),
    "another program's words": ('echo \'{"type": "hello"}\'', "codex", "UNREADABLE", "never said"),
    "says to its parser nothing": (
        "echo Error: no model is chosen >&2",
        "codex",
        "UNREADABLE",
        "stand-in never said that it was done. Its last words: Error: no model is chosen. Check",
    ),
    "nothing": ("true", None, "NO_RESULT", "without a word"),
    "exits 0 with an error of its own": (
        "echo Reading the settings >&2; echo Error: no such model >&2; echo >&2",
        None,
        "NO_RESULT",
        "Its last words: Reading the settings / Error: no such model. Mend what they name",
    ),
    "prints no text": ("head -c 300000 /dev/urandom", None, "UNREADABLE", "is no text"),
    "ends well, with nothing but a warning": (
        claude_says() + "; echo no model left >&2",
        "claude-code",
        "NO_RESULT",
        "Its last words: no model left.",
    ),
    "dies of a signal": ("kill -9 $$", None, "AGENT_ERROR", "stand-in"),
    "may not be executed": ("exit 126", None, "NOT_INSTALLED", "may not be executed"),
    "what it starts is missing": (
        "exec no-such-program",
        None,
        "NOT_INSTALLED",
        "stand-in ended with exit code 127, as when a program that it starts is not installed: ",
    ),
}


@pytest.mark.parametrize("end", BAD_ENDS)
def test_a_bad_end_has_its_kind_and_says_what_to_do(shop: Shop, end: str) -> None:
    script, parser, kind, words = BAD_ENDS[end]
    programs.shell(shop.home, script, **({"parser": parser} if parser else {}))
    failure = shop.fails()
    assert (failure.kind, words in failure.message) == (kind, True), failure.message
    assert [row[5] for row in shop.booked()] == ["unknown"]
    assert (shop.artifacts / OUTPUT_FILE).exists()


def test_a_program_that_gives_its_key_away_with_its_last_words(shop: Shop) -> None:
    """Masked before they are cut: of half a key nobody would know."""
    programs.shell(shop.home, f"echo {'x' * 395} {KEY} >&2")
    # `fails` looks for the whole of it.
    assert KEY[:8] not in shop.fails().message


def test_a_program_whose_words_are_cut_in_the_middle_of_a_letter(shop: Shop) -> None:
    """A few bytes that are no text do not make its output none."""
    programs.shell(shop.home, r"printf 'done: \303 and \377 in latin letters\n'")
    assert shop.run().summary.startswith("done: ")
    assert len(shop.log) == 3, "it begins, it speaks, its cost is unknown"


def test_a_program_that_is_not_there(shop: Shop) -> None:
    programs.choose(shop.home, "command", ["no-such-agent", "{prompt}"])
    failure = shop.fails()
    assert (failure.kind, failure.retryable) == ("NOT_INSTALLED", False)
    assert "no-such-agent is not installed. Install it where the workers run" in failure.message
    assert shop.booked() == []


@pytest.mark.parametrize(
    ("host", "kind", "retryable"),
    [("127.1", "AGENT_ERROR", False), ("nowhere.invalid", "TEMPORARY_FAILURE", True)],
)
def test_a_host_that_can_not_be_allowed_is_a_failure_that_names_the_setting(
    shop: Shop, host: str, kind: str, retryable: bool
) -> None:
    """Before the program is started, and not for ever."""
    programs.shell(shop.home, "true", hosts=["192.0.2.7", host])
    failure = shop.fails()
    assert (failure.kind, failure.retryable) == (kind, retryable), failure.message
    assert failure.message.startswith(f"`hosts` of stand-in in the connector's settings: {host} ")
    assert shop.booked() == []


def test_a_host_that_is_this_machine_is_refused_with_the_settings(shop: Shop) -> None:
    programs.shell(shop.home, "true", hosts=["127.0.0.1"])
    failure = shop.fails()
    assert (failure.kind, failure.retryable) == ("AGENT_ERROR", False)
    assert "hosts.0 is '127.0.0.1': it is this machine" in failure.message


def test_a_program_that_can_not_be_confined_is_a_failure_that_is_tried_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not for ever: what is wrong may be its command line."""
    programs.shell(shop.home, "true")

    def broken(*_: Any, **__: Any) -> CommandResult:
        raise SandboxFailed("`sh` could not be started.")

    monkeypatch.setattr(Sandbox, "run", broken)
    failure = shop.fails()
    assert (failure.kind, failure.retryable) == ("TEMPORARY_FAILURE", True)


def test_a_program_that_hangs_is_ended_and_its_words_are_kept(shop: Shop) -> None:
    programs.shell(shop.home, "echo started; touch begun.txt; sleep 60")
    failure = shop.fails(deadline=time.monotonic() + 2)
    assert failure.kind == "TIMEOUT"
    assert "Give the task more time" in failure.message
    assert (shop.worktree / "begun.txt").exists()
    assert "started" in (shop.artifacts / OUTPUT_FILE).read_text()


def test_a_program_is_ended_with_its_task(shop: Shop) -> None:
    programs.shell(shop.home, "touch begun.txt; sleep 60")
    failure = shop.fails(cancelled=(shop.worktree / "begun.txt").exists)
    assert failure.kind == "CANCELLED"


def test_a_program_that_floods_is_ended_and_fills_no_disk(shop: Shop) -> None:
    programs.shell(shop.home, "yes words")
    failure = shop.fails()
    assert failure.kind == "UNREADABLE"
    assert "printed without end" in failure.message
    assert len(shop.log) < 2 * MOST_LOGGED
    assert (shop.artifacts / OUTPUT_FILE).stat().st_size < 20_000_000


def test_what_a_program_says_of_its_cost_is_booked(shop: Shop) -> None:
    script = claude_says(result="done", total_cost_usd=0.25, modelUsage=MODEL_USAGE)
    programs.shell(shop.home, script, parser="claude-code", provider="anthropic")
    result = shop.run()
    assert result.summary == "done"
    assert shop.booked() == [("stand-in", "claude-sonnet-5-5", 1000, 100, 250_000_000, "soft_cap")]
    assert any("soft cap" in line for line in shop.log)


def test_a_program_that_says_no_cost_is_priced_by_its_tokens(shop: Shop) -> None:
    completed = {"type": "turn.completed", "usage": {"input_tokens": 1000, "output_tokens": 100}}
    said = {"type": "item.completed", "item": {"type": "agent_message", "text": "done"}}
    script = "\n".join(f"echo {shlex.quote(json.dumps(each))}" for each in (said, completed))
    choices = {"parser": "codex", "provider": "openai", "model": "gpt-6.1-sol"}
    programs.shell(shop.home, script, **choices)
    result = shop.run()
    # 1000 at 2 USD a million, 100 at 10.
    assert [row[1:] for row in shop.booked()] == [("gpt-6.1-sol", 1000, 100, 3_000_000, "soft_cap")]
    assert result.usage.cost_nano_usd == 3_000_000


def test_a_program_that_says_nothing_of_its_cost_is_unknown(shop: Shop) -> None:
    programs.shell(shop.home, "echo done")
    assert shop.run().summary == "done"
    assert [row[4:] for row in shop.booked()] == [(None, "unknown")]
    assert any("its cost is unknown" in line for line in shop.log)


@pytest.mark.parametrize("tokens", ["900000M", "9" * 400])
def test_what_nobody_can_have_used_is_unknown(shop: Shop, tokens: str) -> None:
    cost = f"Cost: $1 message, ${'9' * 400} session."
    said = f"echo 'Tokens: {tokens} sent, {tokens} received. {cost}'"
    programs.shell(shop.home, f"{said}; {said}; echo done", parser="aider")
    shop.run()
    assert [row[4:] for row in shop.booked()] == [(None, "unknown")]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("401", "CREDENTIALS"),
        ("429-long", "API_LIMIT"),
        ("spend-limit", "SPEND_LIMIT"),
        ("500", "TEMPORARY_FAILURE"),
        ("529", "API_LIMIT"),
    ],
)
def test_why_its_model_refused_is_known_from_the_gateway(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, fault: str, kind: str
) -> None:
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", shop.server.url("change", f"{fault}@2,3,4"))
    programs.coder(shop.home)
    failure = shop.fails()
    assert failure.kind == kind
    # The first call is paid for, the second cost nothing.
    assert [row[0] for row in shop.booked()] == ["claude"]
    assert shop.context.usage.cost_nano_usd == shop.server.ledger.cost_nano_usd
    assert shop.nothing_is_held()


def test_while_nothing_is_done_its_model_is_waited_for(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", shop.server.url("change", "429-long"))
    programs.coder(shop.home)
    wait = shop.waits()
    assert (wait.kind, wait.seconds, wait.bounded) == ("API_LIMIT", 130, True)
    assert shop.booked() == []


def test_an_answer_that_is_cut_counts_as_the_worst_case(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", shop.server.url("change", "cut@2"))
    programs.coder(shop.home)
    shop.fails()
    assert [row[5] for row in shop.booked()] == ["reported", "assumed"]
    assert sum(row[4] or 0 for row in shop.booked()) >= shop.server.ledger.cost_nano_usd
    assert shop.nothing_is_held()


ASKS_ONCE = (
    f"{sys.executable} {programs.CODER} hello >/dev/null 2>&1 || true; echo {{0}}; echo All done."
)


def test_a_program_that_takes_half_an_answer_for_the_whole(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", shop.server.url("echo", "cut"))
    behind = {"protocol": "messages", "env": programs.GATEWAY_ENV}
    programs.shell(shop.home, ASKS_ONCE.format("nothing"), **behind)
    assert shop.waits().kind == "TEMPORARY_FAILURE"
    # What it changed all the same is for the checks to judge.
    programs.shell(shop.home, ASKS_ONCE.format("changed > new.txt"), **behind)
    assert shop.run().summary == "All done."


def test_a_program_is_held_to_a_cap_that_it_knows_nothing_of(shop: Shop) -> None:
    shop.budget = {"tokens": 2_000}
    programs.coder(shop.home)
    wait = shop.waits()
    assert (wait.kind, wait.pauses, wait.bounded) == ("BUDGET_EXHAUSTED", True, False)
    assert "conductor budget raise" in wait.reason
    assert shop.server.ledger.total.input_tokens + shop.server.ledger.total.output_tokens <= 2_000


def test_a_program_that_is_ended_in_a_call_leaves_nothing_reserved(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", shop.server.url("change", "no-reply"))
    programs.coder(shop.home)
    assert shop.fails(deadline=time.monotonic() + 2).kind == "TIMEOUT"
    assert [row[5] for row in shop.booked()] == ["assumed"]
    assert shop.nothing_is_held()


def test_without_a_key_no_program_is_started(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    programs.coder(shop.home)
    failure = shop.fails()
    assert (failure.kind, failure.retryable) == ("CREDENTIALS", False)
    assert "ANTHROPIC_API_KEY" in failure.message
    assert shop.log == []


def test_settings_that_name_no_program_say_so(shop: Shop) -> None:
    programs.write(shop.home, {"command": {"program": "clod-code"}})
    failure = shop.fails()
    assert failure.kind == "AGENT_ERROR"
    assert "`claude-code`" in failure.message


def test_a_program_gets_a_token_and_no_key(shop: Shop) -> None:
    """Its environment is clean, and the token is worth nothing when the attempt is over."""
    programs.coder(shop.home)
    programs.choose(
        shop.home,
        "command",
        ["sh", "-c", "env; cat /proc/self/environ | tr '\\0' '\\n'"],
        protocol="messages",
        env=programs.GATEWAY_ENV,
    )
    shop.run()
    printed = (shop.artifacts / OUTPUT_FILE).read_text()
    given = dict(line.split("=", 1) for line in printed.splitlines() if "=" in line)
    assert KEY not in printed
    assert not [name for name in given if name.startswith("CONDUCTOR_")]
    answer = httpx2.post(
        f"{given['ANTHROPIC_BASE_URL']}/v1/messages",
        json={"model": "claude-sonnet-5-5"},
        headers={"x-api-key": given["ANTHROPIC_API_KEY"]},
    )
    assert answer.status_code == 401


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
