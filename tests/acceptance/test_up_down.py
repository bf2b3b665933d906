"""`conductor up` and `conductor down`, as somebody types them, with the real programs."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from conductor_app.stack import embedded

CONDUCTOR = [sys.executable, "-m", "conductor_app.cli.main"]
WaitUntil = Callable[..., None]


def conductor(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    ran = subprocess.run(
        [*CONDUCTOR, *arguments],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in ran.stderr
    return ran


def data_of(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert ran.returncode == 0, ran.stderr
    data: dict[str, Any] = json.loads(ran.stdout)["data"]
    return data


@pytest.fixture
def house(home: Path) -> Iterator[Path]:
    yield home
    embedded.stop(home)


def test_a_day_with_up_and_down(house: Path) -> None:
    first = conductor("up")
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("Conductor is up at http://127.0.0.1:")
    url = first.stdout.split()[4]

    token_file = house / "api.token"
    assert str(token_file) in first.stdout
    assert token_file.stat().st_mode & 0o777 == 0o600
    assert requests.get(f"{url}/api/v1/health/ready", timeout=10).status_code == 200
    assert requests.get(f"{url}/api/v1/executions", timeout=10).status_code == 401
    bearer = {"Authorization": f"Bearer {token_file.read_text().strip()}"}
    allowed = requests.get(f"{url}/api/v1/executions", headers=bearer, timeout=10)
    assert allowed.status_code == 200

    second = conductor("up", "--json")
    assert data_of(second)["url"] == url
    assert data_of(second)["started"] is False

    last = conductor("down")
    assert (last.returncode, last.stdout) == (0, "Conductor is down.\n")
    with pytest.raises(requests.ConnectionError):
        requests.get(url, timeout=10)
    assert conductor("down").stdout == f"Nothing was running on {house}.\n"


def test_every_killed_program_comes_back(house: Path, wait_until: WaitUntil) -> None:
    url = data_of(conductor("up", "--json"))["url"]
    stack = embedded.find(house)
    assert stack
    before = stack.supervisor().states()
    assert set(before) == {"redis", "api", "worker", "system", "isolated", "beat"}
    for state in before.values():
        os.kill(state.pid, signal.SIGKILL)

    def all_are_back() -> bool:
        now = stack.supervisor().states()
        return all(state.runs and state.pid != before[name].pid for name, state in now.items())

    def ready() -> bool:
        try:
            return requests.get(f"{url}/api/v1/health/ready", timeout=10).ok
        except requests.ConnectionError:
            return False

    wait_until(all_are_back, seconds=30, what="every program runs again")
    wait_until(ready, seconds=30, what="the API is ready again")


def test_down_leaves_no_process(house: Path) -> None:
    data_of(conductor("up", "--json"))
    stack = embedded.find(house)
    assert stack
    supervisor = psutil.Process(stack.supervisor().pid())
    family = [supervisor, *supervisor.children(recursive=True)]
    conductor("down")
    _, alive = psutil.wait_procs(family, timeout=5)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


def test_two_at_once_start_one_stack(house: Path) -> None:
    command = [*CONDUCTOR, "up", "--json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [json.loads(process.communicate(timeout=120)[0])["data"] for process in both]
    assert answers[0]["url"] == answers[1]["url"]
    assert sorted(answer["started"] for answer in answers) == [False, True]


class TestRefusals:
    """Nothing is left running, and the sentence says what to do."""

    def test_a_chosen_port_in_use(self, house: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            ran = conductor("up", "--port", str(port))
        assert ran.returncode == 1
        assert f"Port {port} of 127.0.0.1 is in use" in ran.stderr
        assert embedded.find(house) is None

    def test_a_data_directory_of_a_newer_version(self, house: Path) -> None:
        (house / "version").write_text("999\n")
        ran = conductor("up")
        assert ran.returncode == 1
        assert "written by a newer Conductor" in ran.stderr

    @pytest.mark.parametrize(
        ("variable", "url", "what"),
        [
            ("DATABASE_URL", "postgresql://u:secret@127.0.0.1:1/x", "The database"),
            ("RABBITMQ_URL", "amqp://u:secret@127.0.0.1:1//", "The broker"),
            ("REDIS_URL", "redis://:secret@127.0.0.1:1/0", "Redis"),
        ],
    )
    def test_a_server_that_does_not_answer(
        self, house: Path, variable: str, url: str, what: str
    ) -> None:
        ran = conductor("up", **{variable: url})
        assert ran.returncode == 3
        assert f"{what} at 127.0.0.1:1 does not answer" in ran.stderr
        assert "secret" not in ran.stderr
        assert embedded.find(house) is None

    def test_an_address_for_everybody_without_a_token(self, house: Path) -> None:
        ran = conductor("up", CONDUCTOR_HOST="0.0.0.0")
        assert ran.returncode == 2
        assert "CONDUCTOR_TOKEN" in ran.stderr

    def test_a_database_that_is_none(self, house: Path) -> None:
        (house / "conductor.db").write_text("this is no database, whatever its name says" * 99)
        ran = conductor("up")
        assert ran.returncode == 1
        assert "The database is damaged: file is not a database." in ran.stderr
        assert embedded.find(house) is None
