"""What a program's report keeps: a summary of some length, and tokens only where all are told."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conductor_app import masking
from workers.connectors.programs.acp_client import AcpClient
from workers.connectors.programs.parsers import PARSERS
from workers.connectors.programs.report import HELD, SUMMARY, Report, believed
from workers.turns import Usage

SECRET = "canary-of-programs-77aa88bb99cc"


@pytest.fixture
def secret() -> Iterator[str]:
    masking.know(SECRET)
    yield SECRET
    masking.forget(SECRET)


def claude_code(text: str) -> Report:
    return heard("claude-code", {"type": "result", "result": text})


def codex(text: str) -> Report:
    item = {"type": "agent_message", "text": text}
    return heard("codex", {"type": "item.completed", "item": item})


def gemini(text: str) -> Report:
    return heard("gemini", *map(gemini_piece, pieces(text)))


def gemini_piece(piece: str) -> dict[str, Any]:
    return {"type": "message", "role": "assistant", "delta": True, "content": piece}


def plain(text: str) -> Report:
    return heard("plain", text)


def acp(text: str) -> Report:
    report = Report()
    client = AcpClient(Path(), report, allows=True, log=lambda line: None)
    for piece in pieces(text):
        chunk = {"sessionUpdate": "agent_message_chunk", "content": {"text": piece}}
        client.told("session/update", {"update": chunk})
    return report


def pieces(text: str) -> list[str]:
    return [text[at : at + 1_000] for at in range(0, len(text), 1_000)]


def heard(parser: str, *lines: Any) -> Report:
    reading = PARSERS[parser]()
    for each in lines:
        reading.read(each if isinstance(each, str) else json.dumps(each))
    return reading.report


SAYS = (claude_code, codex, gemini, plain, acp)


@pytest.mark.parametrize("says", SAYS)
def test_the_end_of_what_it_says_is_its_summary(says: Callable[[str], Report]) -> None:
    summary = says("first " + "word " * 100_000 + "last").summary
    assert summary.endswith("word last") and "first" not in summary
    assert SUMMARY - 10 <= len(summary) <= SUMMARY


@pytest.mark.parametrize("says", SAYS)
@pytest.mark.parametrize("length", [SUMMARY, HELD])
def test_no_half_of_a_secret_is_in_a_summary(
    says: Callable[[str], Report], length: int, secret: str
) -> None:
    """Neither where the summary begins, nor where what is held does."""
    end = " " + "z" * (length - 15)
    assert secret[-8:] not in says(secret + end).summary
    # What is masked after it makes room for what stands before.
    many = " ".join([secret] * (length // len(secret)))
    assert secret[-8:] not in says(many).summary


@pytest.mark.parametrize("says", SAYS)
def test_a_short_summary_is_whole(says: Callable[[str], Report], secret: str) -> None:
    assert says(f"It works with {secret} now.").summary == f"It works with {masking.MASK} now."


def test_an_answer_in_many_pieces_takes_no_long_time() -> None:
    began = time.monotonic()
    heard("gemini", *[gemini_piece("word " * 40)] * 30_000)
    assert time.monotonic() - began < 20


def tokens(taken: Any, given: Any) -> list[tuple[str, Any]]:
    """A parser's name, and what the program says of its tokens."""
    plain = {"input_tokens": taken, "output_tokens": given}
    of_models = {"a": {"inputTokens": 1, "outputTokens": 1}}
    of_models["b"] = {"inputTokens": taken, "outputTokens": given}
    return [
        ("codex", {"type": "turn.completed", "usage": plain}),
        ("gemini", {"type": "result", "stats": plain}),
        ("claude-code", {"type": "result", "usage": plain}),
        ("claude-code", {"type": "result", "usage": plain, "modelUsage": of_models}),
    ]


@pytest.mark.parametrize("wrong", [None, -1, "100", True, 10**13])
def test_tokens_are_not_known_where_only_half_of_them_is_told(wrong: Any) -> None:
    """What is left out was not free."""
    for said in (*tokens(wrong, 100), *tokens(100, wrong)):
        assert heard(*said).usage is None, said


def test_an_agent_of_the_protocol_has_to_tell_both_figures() -> None:
    client = AcpClient(Path(), Report(), allows=True, log=lambda line: None)
    client.used({"usage": {"totalTokens": 9, "outputTokens": 5}})
    assert client.report.usage is None
    client.used({"usage": {"inputTokens": 4, "outputTokens": 5, "cachedReadTokens": None}})
    assert client.report.usage == Usage(4, 5)


@pytest.mark.parametrize("order", [1, -1])
def test_one_answer_of_which_nothing_is_known_makes_the_whole_unknown(order: int) -> None:
    lines = ["Tokens: 2k sent, 150 received.", f"Tokens: {'9' * 400} sent, 5 received."]
    assert believed(heard("aider", *lines[::order]).usage) is None
