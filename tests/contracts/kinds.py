"""One of every kind of connector, brought to do the same three things."""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from conductor_app.settings import Settings
from tests.contracts.connectors import CONNECTORS, KEY, Bench
from tests.fakes import programs
from tests.fakes.model_server import Space, says
from workers.agents.base import Connector
from workers.connectors import open_connector

FILE, CONTENT = "greeting.txt", "grüß dich\n"
WRITE = ("write_file", {"path": FILE, "content": CONTENT})
DONE = ("finish", {"summary": "all done"})
GIVES_UP = ("finish", {"summary": "there is no way", "status": "failed"})


@dataclass
class Kind(ABC):
    """A connector by its name, and what plays the model or the program behind it."""

    name: str
    server: Space
    folder: Path
    monkeypatch: pytest.MonkeyPatch

    @abstractmethod
    def does(self) -> Connector:
        """It writes CONTENT to FILE and says that this was all."""

    @abstractmethod
    def fails(self) -> Connector:
        """It writes CONTENT to FILE and says that the rest can't be done."""

    @abstractmethod
    def lasts(self) -> Connector:
        """It has no end of its own."""


class AtModelServer(Kind):
    """A model's connector, with the fake model server behind its provider's SDK."""

    def does(self) -> Connector:
        return self._bench().play(says("I write.", WRITE), says("", DONE))

    def fails(self) -> Connector:
        return self._bench().play(says("I write.", WRITE), says("", GIVES_UP))

    def lasts(self) -> Connector:
        return self._bench().connect(self.server.url("change", "no-reply"))

    def _bench(self) -> Bench:
        bench = Bench(self.name, self.server, self.folder, self.monkeypatch)
        bench.give_key()
        return bench


class Recorded(Kind):
    """The connector `replay`, with a recording."""

    def does(self) -> Connector:
        return self._record(WRITE, DONE)

    def fails(self) -> Connector:
        return self._record(WRITE, GIVES_UP)

    def lasts(self) -> Connector:
        return self._record(("run_command", {"command": "sleep 60"}), DONE, ok=False)

    def _record(self, *calls: tuple[str, dict[str, Any]], ok: bool = True) -> Connector:
        lines: list[dict[str, Any]] = [
            {"type": "recording", "format": 1, "author": "people"}
            | {"workflow": "w", "task": "0/a", "attempt": 1}
        ]
        for number, (name, arguments) in enumerate(calls):
            call = {"id": f"c{number}", "name": name, "arguments": arguments}
            usage = {"input_tokens": 100, "output_tokens": 10}
            lines.append({"type": "turn", "text": name, "tool_calls": [call], "usage": usage})
            if name != "finish":
                lines.append({"type": "result", "id": call["id"], "ok": ok})
        file = self.folder / "recordings" / "w" / "0-a.1.jsonl"
        file.parent.mkdir(parents=True)
        file.write_text("\n".join(map(json.dumps, lines)))
        recordings = self.folder / "recordings"
        return open_connector("replay", workflow="w", task="0/a", failures=0, recordings=recordings)


class AProgram(Kind):
    """The connectors of programs, with a small one whose model is behind the gateway."""

    def does(self) -> Connector:
        return self._opened(self.server.add("played", says("I write.", WRITE), says("all done")))

    def fails(self) -> Connector:
        return self._opened(
            self.server.add("played", says("I write.", WRITE), says("That is all.")), fails=True
        )

    def lasts(self) -> Connector:
        return self._opened(self.server.url("change", "no-reply"))

    def _opened(self, url: str, *, fails: bool = False) -> Connector:
        self.monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        self.monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", url)
        if self.name == "acp":
            programs.acp_agent(self.folder, "gives_up" if fails else "")
        else:
            programs.coder(self.folder, fails=fails)
        settings = Settings.load(self.folder)
        return open_connector(self.name, workflow="w", task="0/a", failures=0, settings=settings)


# By name. A connector that drives a program joins with a Kind of its own, whose program does the
# same three things: the contract holds for it unchanged.
KINDS: Mapping[str, Callable[[Space, Path, pytest.MonkeyPatch], Kind]] = {
    **{name: partial(AtModelServer, name) for name in CONNECTORS},
    "replay": partial(Recorded, "replay"),
    **{name: partial(AProgram, name) for name in ("command", "acp")},
}
