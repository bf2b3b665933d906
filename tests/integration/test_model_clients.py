"""Clients of models belong to one process: made after its fork, closed at its end."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conductor_app.settings import Settings
from tests.contracts.connectors import KEY
from tests.fakes.model_server import Space
from tests.integration.test_work_in_process import Stage
from workers.connectors import clients, open_connector
from workers.connectors.base import Model
from workers.turns import Message

ROOT = Path(__file__).parents[2]
# Calls of a parent and of its child at the same time, after the parent had a connection open.
FORKED = """
import os, signal, sys
from pathlib import Path
from tests.integration.test_model_clients import asked
from workers.connectors import clients

signal.alarm(60)
asked(sys.argv[1])
assert clients.open_here() == 1
# As when another thread of the parent is just making one.
clients._lock.acquire()
child = os.fork()
if child:
    clients._lock.release()
inherited = clients.open_here()
for _ in range(20):
    asked(sys.argv[1])
if child == 0:
    os._exit(0 if (inherited, clients.open_here()) == (0, 1) else 1)
_, status = os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status) or clients.open_here() - 1)
"""


def asked(home: str) -> str:
    """One call, with the settings of the environment."""
    settings = Settings.load(Path(home))
    connector = open_connector("codex", workflow="w", task="0/a", failures=0, settings=settings)
    assert isinstance(connector, Model)
    text = connector.turn([Message("user", "Hello?")], []).text
    assert text == "Hello?"
    return text


@pytest.fixture(autouse=True)
def at_the_server(monkeypatch: pytest.MonkeyPatch, model_server: Space) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("CONDUCTOR_CODEX_BASE_URL", model_server.url("echo") + "/v1")


def test_a_child_makes_its_own(tmp_path: Path, model_server: Space) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FORKED, str(tmp_path)],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert [request.status for request in model_server.requests] == [200] * 41


WORK = """
phases:
  - number: 0
    name: Only
    tasks: [{key: talk, title: Talk, agent: talker, produces: [greeting.py]}]
"""


def test_a_worker_that_ends_closes_its_own(
    home: Path, model_server: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDUCTOR_CODEX_BASE_URL", model_server.url("change") + "/v1")
    stage = Stage(home, connector="codex")
    one = stage.run(WORK)
    assert stage.attempts(one)["0/talk"].status == "succeeded"
    assert clients.open_here() == 1
    stage.process.close()
    assert clients.open_here() == 0


def test_a_key_that_has_changed_is_used_by_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_server: Space
) -> None:
    """A client made with the old one must not go on with it."""
    asked(str(tmp_path))
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-0123456789")
    asked(str(tmp_path))
    assert [request.key for request in model_server.requests] == [KEY, "sk-another-0123456789"]
    clients.close_all()
