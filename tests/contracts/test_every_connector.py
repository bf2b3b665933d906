"""What every connector must do, whatever does the work behind it."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conductor_app import catalog, launch
from conductor_app.domain.workflow import FAILURE_KINDS
from conductor_app.tool_specs import TOOLS
from tests.contracts.connectors import KEY, SYSTEM
from tests.contracts.kinds import CONTENT, FILE, KINDS, Kind
from tests.fakes.attempts import agent_context, agent_task
from tests.fakes.model_server import Space
from workers.agents.base import AgentResult, Connector
from workers.connectors import clients
from workers.failures import AttemptFailed


class Attempt:
    """One attempt with a connector, in a worktree with a file that is none of its business."""

    def __init__(self, folder: Path, connector: Connector, **changes: Any) -> None:
        self.log: list[str] = []
        self.connector = connector
        self.context = agent_context(
            folder,
            connector=connector,
            log=self.log.append,
            task=agent_task(),
            system=SYSTEM,
            **changes,
        )
        self.worktree = folder / "worktree"
        (self.worktree / "kept.txt").write_text("kept")

    def run(self) -> AgentResult:
        self.connector.set_log_callback(self.log.append)
        return self.connector.execute("Do it.", self.context)

    def fails(self) -> AttemptFailed:
        with pytest.raises(AttemptFailed) as failure:
            self.run()
        assert failure.value.kind in FAILURE_KINDS
        assert (self.worktree / "kept.txt").read_text() == "kept"
        return failure.value

    @property
    def kept(self) -> str:
        """All that the attempt leaves for inspection."""
        files = [each for each in self.context.artifacts.rglob("*") if each.is_file()]
        return "\n".join(each.read_text() for each in files)


@pytest.fixture(params=KINDS)
def kind(
    request: pytest.FixtureRequest,
    model_server: Space,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Kind]:
    monkeypatch.setenv("CONDUCTOR_HOME", str(tmp_path))
    yield KINDS[request.param](model_server, tmp_path, monkeypatch)
    clients.close_all()


def test_every_connector_is_held_to_this() -> None:
    assert set(KINDS) == set(catalog.CONNECTORS)


def test_it_says_what_it_is(kind: Kind) -> None:
    connector = kind.does()
    assert connector.name == kind.name
    assert connector.live is launch.costs(kind.name)
    assert set(connector.get_capabilities()) <= set(TOOLS)


def test_it_does_the_task(kind: Kind) -> None:
    attempt = Attempt(kind.folder, kind.does())
    result = attempt.run()
    assert (attempt.worktree / FILE).read_text() == CONTENT
    assert "all done" in result.summary
    assert (result.usage, result.turns) == (attempt.context.usage, attempt.context.turns)
    assert result.turns > 0
    assert result.usage.tokens > 0
    assert any("all done" in line for line in attempt.log)
    assert "all done" in attempt.kept


def test_a_failure_has_a_kind_a_sentence_and_its_bill(kind: Kind) -> None:
    attempt = Attempt(kind.folder, kind.fails())
    failure = attempt.fails()
    assert "there is no way" in failure.message
    # What it did stays as it is, for whoever looks into it.
    assert (attempt.worktree / FILE).read_text() == CONTENT
    assert attempt.context.usage.tokens > 0
    assert any("there is no way" in line for line in attempt.log)


def test_it_is_stopped_while_it_works(kind: Kind) -> None:
    stopped = threading.Event()
    timer = threading.Timer(0.3, stopped.set)
    attempt = Attempt(kind.folder, kind.lasts(), cancelled=stopped.is_set)
    timer.start()
    began = time.monotonic()
    assert attempt.fails().kind == "CANCELLED"
    assert time.monotonic() - began < 10


def test_it_ends_with_the_tasks_time(kind: Kind) -> None:
    attempt = Attempt(kind.folder, kind.lasts(), deadline=time.monotonic() + 0.3)
    began = time.monotonic()
    failure = attempt.fails()
    assert failure.kind == "TIMEOUT"
    assert "more time" in failure.message
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("how", ["does", "fails"])
def test_no_key_is_left_behind(kind: Kind, how: str) -> None:
    attempt = Attempt(kind.folder, getattr(kind, how)())
    try:
        said = attempt.run().summary
    except AttemptFailed as failure:
        said = f"{failure.message} {failure.detail}"
    assert KEY not in said + "\n".join(attempt.log) + attempt.kept
