"""What programs print, understood: words for the log, tokens, cost, and how they ended."""

import json
from typing import Any

import pytest

from workers.connectors.programs.parsers import PARSERS
from workers.connectors.programs.report import Report
from workers.turns import Usage


def heard(parser: str, *lines: Any) -> tuple[Report, list[str]]:
    """The report, and what the log says."""
    reading = PARSERS[parser]()
    said = [reading.read(each if isinstance(each, str) else json.dumps(each)) for each in lines]
    return reading.report, [each for each in said if each]


def test_claude_code() -> None:
    text = {"type": "text", "text": "I look."}
    call = {"type": "tool_use", "name": "Bash", "input": {"command": "ls"}}
    result = {"type": "tool_result", "is_error": True, "content": "no such file"}
    used = {
        "a": {"inputTokens": 10, "outputTokens": 5, "cacheReadInputTokens": 100},
        "b": {"inputTokens": 1, "outputTokens": 1, "cacheCreationInputTokens": 20},
    }
    report, log = heard(
        "claude-code",
        {"type": "system", "subtype": "init", "model": "m", "claude_code_version": "2.1"},
        {"type": "assistant", "message": {"id": "1", "content": [text]}},
        {"type": "assistant", "message": {"id": "1", "content": [call]}},
        {"type": "user", "message": {"content": [result]}},
        {"type": "system", "subtype": "api_retry", "error_status": 529},
        {"type": "rate_limit_event"},
        {"type": "stream_event", "event": {}},
        {"type": "result", "subtype": "success", "result": "Done.", "total_cost_usd": 0.0123}
        | {"modelUsage": used, "num_turns": 9},
    )
    assert log == [
        "Claude Code 2.1 begins with m",
        "I look.",
        "Bash ls",
        "failed: no such file",
        "the model's service answered 529; tried again",
    ]
    assert (report.summary, report.ended, report.turns) == ("Done.", True, 1)
    assert report.usage == Usage(131, 6, 100, cache_write_tokens=20)
    assert report.cost_nano_usd == 12_300_000
    assert report.complaint is None


def test_codex() -> None:
    report, log = heard(
        "codex",
        {"type": "thread.started", "thread_id": "t"},
        {"type": "turn.started"},
        {"type": "item.completed", "item": {"type": "reasoning", "text": "hm"}},
        {"type": "item.started", "item": {"type": "command_execution", "command": "ls"}},
        {"type": "item.completed"}
        | {"item": {"type": "command_execution", "command": "ls", "exit_code": 0}},
        {"type": "error", "message": "Reconnecting... 1/2"},
        {"type": "item.completed", "item": {"type": "agent_message", "text": "Done."}},
        {"type": "turn.completed"}
        | {"usage": {"input_tokens": 10, "cached_input_tokens": 4, "output_tokens": 3}},
    )
    assert log == ["Codex begins, thread t", "ls [exit code 0]", "Reconnecting... 1/2", "Done."]
    assert (report.summary, report.ended, report.complaint) == ("Done.", True, None)
    assert report.usage == Usage(10, 3, 4)
    assert report.cost_nano_usd is None


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("unexpected status 401 Unauthorized", "CREDENTIALS"),
        ("exceeded retry limit, last status: 429 Too Many Requests", "API_LIMIT"),
        ("You exceeded your current quota", "SPEND_LIMIT"),
        ("stream disconnected before completion", "TEMPORARY_FAILURE"),
    ],
)
def test_codex_says_why_it_failed_in_a_sentence(message: str, kind: str) -> None:
    report, _ = heard("codex", {"type": "turn.failed", "error": {"message": message}})
    assert report.complaint is not None
    assert (report.complaint.kind, report.complaint.message) == (kind, message)


def test_gemini() -> None:
    report, log = heard(
        "gemini",
        {"type": "init", "model": "g"},
        {"type": "message", "role": "user", "content": "do it"},
        {"type": "message", "role": "assistant", "content": "I look.", "delta": True},
        {"type": "tool_use", "tool_name": "run_shell_command"},
        {"type": "tool_result", "status": "error", "error": {"message": "no"}},
        {"type": "message", "role": "assistant", "content": "Do", "delta": True},
        {"type": "message", "role": "assistant", "content": "ne.", "delta": True},
        {"type": "result", "status": "success"}
        | {"stats": {"input_tokens": 10, "output_tokens": 3, "cached": 4}},
    )
    assert log == [
        "Gemini begins with g",
        "I look.",
        "run_shell_command",
        "failed: no",
        "Do",
        "ne.",
    ]
    assert (report.summary, report.ended, report.usage) == ("Done.", True, Usage(10, 3, 4))
    failed, _ = heard("gemini", {"type": "result", "status": "error", "error": {"message": "no"}})
    assert failed.complaint is not None
    assert failed.complaint.message == "no"


def test_aider() -> None:
    report, log = heard(
        "aider",
        "Applied edit to a.py",
        "Tokens: 2.5k sent, 1.2k cache hit, 150 received. Cost: $0.01 message, $0.01 session.",
        "Tokens: 1,000 sent",
        "Tokens: 3k sent, 50 received. Cost: $0.02 message, $0.03 session.",
    )
    assert log[0] == "Applied edit to a.py"
    assert report.usage == Usage(5_500, 200, 1_200)
    assert report.cost_nano_usd == 30_000_000
    assert report.turns == 2


def test_of_a_program_unknown_the_last_lines_are_its_summary() -> None:
    report, log = heard("plain", *"abcdefg", "", "  h ")
    assert report.summary.split("\n") == list("defgh")
    assert len(log) == 8
    assert (report.usage, report.cost_nano_usd, report.ended) == (None, None, True)


STRANGE = (
    *(
        "",
        "hello",
        "{",
        "[1]",
        "null",
        "7",
        '"x"',
        "{}",
        '{"type": 7}',
        '{"type": null}',
        "[" * 9999,
    ),
    *('{"type": "result"}', '{"type": "assistant"}', '{"type": "assistant", "message": 7}'),
    *('{"type": "assistant", "message": {"content": [7, {"type": "text"}]}}',),
    *('{"type": "user", "message": {"content": "text"}}', '{"type": "item.completed", "item": 7}'),
    *('{"type": "result", "modelUsage": {"m": 7}, "usage": 7, "permission_denials": [7]}',),
    *('{"type": "result", "total_cost_usd": "x", "stats": 7, "errors": [7], "is_error": 1}',),
    *('{"type": "turn.failed"}', '{"type": "turn.completed", "usage": {"input_tokens": -7}}'),
    *('{"type": "message", "role": "assistant", "content": 7}', '{"type": "tool_result"}'),
    *('{"type": "result", "errors": 7, "is_error": 1}', '{"type": "result", "subtype": [7]}'),
    *("Tokens: sent, received", "Cost: $ message, $. session", "Tokens: .k sent, .M received"),
)


MANY = "9" * 400
USED = '{{"input_tokens": {0}, "output_tokens": {0}, "cached": {0}, "cached_input_tokens": {0}}}'
SAID = (
    '{{"type": "result", "total_cost_usd": {0}, "num_turns": {0}, "usage": {1}, "stats": {1}}}',
    '{{"type": "result", "modelUsage": {{"m": {{"inputTokens": {0}, "outputTokens": {0}}}}}}}',
    '{{"type": "turn.completed", "usage": {1}}}',
    "Tokens: {0} sent, {0} cache write, {0} cache hit, {0}M received. "
    "Cost: ${0} message, ${0} session.",
)


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("line", SAID)
@pytest.mark.parametrize(
    "number", [MANY, "10000000000000", "1e300", "-1e300", "NaN", "Infinity", "-7", '"7"', "true"]
)
def test_numbers_that_nobody_uses_are_not_believed(parser: str, line: str, number: str) -> None:
    report, _ = heard(parser, line.format(number, USED.format(number)))
    assert not report.usage
    assert report.cost_nano_usd is None
    assert report.turns <= 1


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("line", STRANGE)
def test_nothing_that_is_printed_stops_a_parser(parser: str, line: str) -> None:
    report, _ = heard(parser, line)
    assert report.cost_nano_usd is None or report.cost_nano_usd >= 0
    assert report.usage is None or report.usage.tokens >= 0


def test_what_is_no_text_is_neither_summary_nor_log() -> None:
    garbage = "\ufffd\ufffd\x00\x07\ufffdab"
    report, log = heard("plain", "done", *[garbage] * 3)
    assert (report.summary, log) == ("done", ["done"])
    assert (report.strange, report.garbled) == (3, True)
    report, log = heard("plain", garbage, *["a line of text"] * 3)
    assert (report.strange, report.garbled) == (1, False)
    # Colours, a bar that is drawn again and again, and other languages are text.
    coloured = "\x1b[32m✓\x1b[0m 10%\r20%\r\x08\t готово"
    assert heard("aider", coloured)[0].garbled is False
