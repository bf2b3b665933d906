"""What the contract tests of connectors share: one of each, at the fake model server."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from conductor_app.connector_keys import VARIABLES
from conductor_app.settings import Settings
from tests.fakes.attempts import agent_context, agent_task
from tests.fakes.model_server import Reply, Script, Space
from workers.agents.base import AgentContext, AgentResult
from workers.connectors import open_connector
from workers.connectors.live import LiveConnector
from workers.failures import AttemptFailed
from workers.suspension import Suspend

CONNECTORS = ("claude", "claude2", "codex", "deepseek")
# What the SDKs expect behind the server's address.
SUFFIX = {"claude": "", "claude2": "", "codex": "/v1", "deepseek": ""}
KEY = "sk-test-0123456789abcdef"
SYSTEM = "You are a test. " + "Be careful with what you do, and do it well. " * 100


@dataclass
class Bench:
    """One kind of connector at the server, and one attempt with it."""

    name: str
    server: Space
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    log: list[str] = field(default_factory=list)

    def give_key(self, key: str = KEY) -> None:
        self.monkeypatch.setenv(VARIABLES[self.name], key)

    def set(self, setting: str, value: object) -> None:
        self.monkeypatch.setenv(f"CONDUCTOR_{self.name.upper()}_{setting.upper()}", str(value))

    def connect(self, url: str) -> LiveConnector:
        """A connector for the address of a scenario."""
        self.set("base_url", url + SUFFIX[self.name])
        connector = open_connector(
            self.name,
            workflow="w",
            task="0/a",
            failures=0,
            settings=Settings.load(self.folder),
            conversation="the-task",
        )
        assert isinstance(connector, LiveConnector)
        connector.set_log_callback(self.log.append)
        return connector

    def play(self, *turns: Reply, script: Script | None = None) -> LiveConnector:
        return self.connect(self.server.add("played", *turns, script=script))

    def context(self, connector: LiveConnector, **changes: Any) -> AgentContext:
        return agent_context(
            self.folder,
            connector=connector,
            log=self.log.append,
            task=agent_task(),
            system=SYSTEM,
            **changes,
        )

    def execute(self, connector: LiveConnector, **changes: Any) -> AgentResult:
        return connector.execute("Do it.", self.context(connector, **changes))

    def fails(self, connector: LiveConnector, **changes: Any) -> AttemptFailed:
        with pytest.raises(AttemptFailed) as failure:
            self.execute(connector, **changes)
        assert KEY not in failure.value.message
        return failure.value

    def waits(self, connector: LiveConnector, **changes: Any) -> Suspend:
        """For what gets better by itself: no worker waits, and no failure is counted yet."""
        with pytest.raises(Suspend) as wait:
            self.execute(connector, **changes)
        assert KEY not in wait.value.reason
        return wait.value
