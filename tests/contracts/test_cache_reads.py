"""What a model has been told once it reads from its cache: by the count of the model server."""

from itertools import pairwise
from pathlib import Path

import pytest

from tests.contracts.connectors import CONNECTORS, Bench
from tests.fakes.model_server import Reply, Space, says

TURNS = 20
# In tokens: prefixes are known to OpenAI and DeepSeek in pieces of so many.
PIECE = 128
# Some 2,000 tokens: a requirement with its project's context.
PROMPT = "Bring the module in order, as its tests and the notes below ask for. " * 120


@pytest.fixture(params=CONNECTORS)
def bench(
    request: pytest.FixtureRequest,
    model_server: Space,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Bench:
    made = Bench(request.param, model_server, tmp_path, monkeypatch)
    made.give_key()
    return made


def turns() -> list[Reply]:
    """Small ones, with reads side by side now and then."""
    made = []
    for number in range(1, TURNS):
        calls = [("write_file", {"path": f"part{number}.txt", "content": f"Part {number}."})]
        if number % 5 == 0:
            calls = [("read_file", {"path": f"part{number - each}.txt"}) for each in (1, 2, 3)]
        made.append(says(f"I go on with part {number}.", *calls))
    return [*made, says("", ("finish", {"summary": "All parts are there."}))]


def carry_out(bench: Bench, prompt: str) -> list[tuple[int, int]]:
    """Of every request of a task: its input's tokens, and those of them that were read."""
    already = len(bench.server.ledger)
    connector = bench.play(*turns())
    assert connector.execute(prompt, bench.context(connector)).turns == TURNS
    return [(each.used.total, each.used.read) for each in bench.server.ledger][already:]


def test_what_was_sent_before_is_read(bench: Bench) -> None:
    """The prefix is stable to the byte, and the marks stand where the cache looks for them."""
    used = carry_out(bench, PROMPT)
    for (before, _), (_, read) in pairwise(used):
        assert before - PIECE < read <= before


def test_nearly_all_of_a_task_is_read(bench: Bench) -> None:
    """An agent's tools and rules are the same in all of its tasks, so these are known as well."""
    carry_out(bench, PROMPT)
    used = carry_out(bench, f"Now the second module. {PROMPT}")
    assert used[0][1] > 1_024 - PIECE
    share = sum(read for _, read in used) / sum(total for total, _ in used)
    # OpenAI's cache knows whole pieces only, so of each turn some half a piece more is new.
    assert share >= (0.94 if bench.name == "codex" else 0.95)
