"""How far an MCP server that says too much, or hears nothing, reaches into an attempt."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from conductor_app import masking
from tests.integration.test_mcp_tools import Bench, call, names
from workers.mcp import client
from workers.mcp.servers import LONGEST_FAULT

SECRET = "canary-of-mcp-77aa88bb99cc"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with ExitStack() as stack:
        yield Bench(tmp_path, "unconfined", stack)


@pytest.fixture
def secret() -> Iterator[str]:
    masking.know(SECRET)
    yield SECRET
    masking.forget(SECRET)


def test_what_it_refuses_with_is_masked_and_cut_in_the_remark(bench: Bench, secret: str) -> None:
    """A remark is a part of the first prompt."""
    said = "x" * (LONGEST_FAULT - 60) + f" {secret}"
    assert names(bench.small("refuses", env={"LAST_WORDS": said})) == []
    (remark,) = bench.remarks
    assert "refused initialize: xxx" in remark and remark.endswith("…")
    assert len(remark) < LONGEST_FAULT + 100
    assert secret[:8] not in remark


def test_what_it_refuses_a_call_with_is_cut_as_other_outputs_are(bench: Bench) -> None:
    result = call(bench.small("refuses_calls"), "add", {"a": 1, "b": 2})
    assert not result.ok
    assert "refused tools/call" in result.output and len(result.output) < 30_200


def test_its_last_words_are_masked_before_they_are_cut(bench: Bench, secret: str) -> None:
    said = secret + " " + "z" * (client.LAST_WORDS - 14)
    result = call(bench.small("dies", env={"LAST_WORDS": said}), "add", {"a": 1, "b": 2})
    assert "zzz" in result.output
    assert secret[-8:] not in result.output


def test_of_a_list_without_end_only_so_much_is_kept(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MOST_LISTED", 250)
    assert names(bench.small("endless")) == [f"mcp__small__t{page}" for page in range(3)]


def test_a_list_of_nothing_is_not_read_on_for_ever(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pages have 1.8 MB each."""
    asked: list[str] = []
    ask = client.McpClient._ask

    def _ask(self: client.McpClient, method: str, params: client.Json) -> client.Json:
        asked.append(method)
        return ask(self, method, params)

    monkeypatch.setattr(client.McpClient, "_ask", _ask)
    assert names(bench.small("blank")) == []
    assert asked.count("tools/list") == 5


def test_a_call_that_it_does_not_read_ends_with_the_task(bench: Bench) -> None:
    tools = bench.small("stops_reading", timeout=50)
    began = time.monotonic()
    stop = threading.Timer(0.5, setattr, (bench, "over", True))
    stop.start()
    result = call(tools, "note", {"text": "x" * 1_000_000})
    stop.join()
    assert "the task was cancelled" in result.output
    assert time.monotonic() - began < 20
