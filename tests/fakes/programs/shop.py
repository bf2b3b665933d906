"""An execution with one attempt by a program under way: what tests of such attempts share."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from conductor_app import prices
from conductor_app.bootstrap import Conductor
from conductor_app.engine.claim import Claim
from conductor_app.settings import Settings
from conductor_app.store.tables import reservations, usage
from tests.fakes import invariants
from tests.fakes.attempts import agent_context
from tests.fakes.engine import Engine, engine_on, phase, task, workflow
from tests.fakes.model_server import Space
from tests.fakes.worker import DIES, Dies
from workers.agents.base import AgentContext, AgentResult
from workers.connectors import open_connector
from workers.failures import AttemptFailed
from workers.metering import Meter
from workers.patience import Patience
from workers.sandbox import Sandbox
from workers.suspension import Suspend

KEY = "sk-test-of-the-worker-0123456789"
LIMITS = {"tokens": 1_000_000, "usd": 50}


class Shop:
    """An execution with one attempt under way, and all that a program of it needs."""

    def __init__(
        self, connector: str, engine: Engine, home: Path, folder: Path, server: Space
    ) -> None:
        self.connector = connector
        self.engine = engine
        self.home = home
        self.server = server
        self.log: list[str] = []
        self.folder = folder
        self.worktree = folder / "worktree"
        self.worktree.mkdir()
        self.artifacts = folder / "artifacts"
        self.budget: dict[str, Any] = dict(LIMITS)

    def attempt(self, **changes: Any) -> AgentContext:
        given: dict[str, Any] = {
            "sandbox": Sandbox.detect("auto"),
            "log": self.log.append,
            "deadline": time.monotonic() + 180,
            "meter": self._meter(),
            "system": "You are careful.",
        }
        return agent_context(self.folder, **(given | changes))

    def run(self, **changes: Any) -> AgentResult:
        connector = open_connector(
            self.connector,
            workflow="w",
            task="0/a",
            failures=0,
            settings=Settings.load(self.home),
        )
        self.context = self.attempt(**changes)
        return connector.execute("Write a greeting.", self.context)

    def fails(self, **changes: Any) -> AttemptFailed:
        (self.worktree / "kept.txt").write_text("kept")
        with pytest.raises(AttemptFailed) as failure:
            self.run(**changes)
        assert (self.worktree / "kept.txt").read_text() == "kept"
        assert failure.value.message.endswith("."), failure.value.message
        assert KEY not in failure.value.message + failure.value.detail
        return failure.value

    def waits(self, **changes: Any) -> Suspend:
        with pytest.raises(Suspend) as wait:
            self.run(**changes)
        assert wait.value.reason.endswith("."), wait.value.reason
        return wait.value

    def booked(self) -> list[tuple[str, str, int, int, int | None, str]]:
        """What the ledger has of calls: by whom, of which model, tokens, cost, how known."""
        columns = (usage.c.connector, usage.c.model, usage.c.input_tokens, usage.c.output_tokens)
        rows = self.engine.rows(select(*columns, usage.c.nano_usd, usage.c.basis))
        return [(*row,) for row in rows]

    def nothing_is_held(self) -> bool:
        return (
            self.engine.rows(select(reservations).where(reservations.c.settled_at.is_(None))) == []
        )

    def _meter(self) -> Meter:
        taken: list[Claim] = []

        def keep(claim: Claim) -> Dies:
            taken.append(claim)
            return DIES

        self.engine.start(workflow(phase(task("a")), budget=self.budget))
        self.engine.run(outcomes={"0/a": [keep]})
        conductor = Conductor(Settings.load(self.home), self.engine.database, self.engine.queue)
        return Meter(Patience(conductor), prices.load(self.home), taken[0])


@contextmanager
def open_shop(
    connector: str,
    url: str,
    home: Path,
    folder: Path,
    server: Space,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Shop]:
    """For attempts with that connector, on the database at the URL."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", server.url("change"))
    monkeypatch.setenv("CONDUCTOR_CODEX_BASE_URL", server.url("change") + "/v1")
    with engine_on(url) as engine:
        yield Shop(connector, engine, home, folder, server)
        invariants.hold(engine)
