"""What the processes of a distributed Conductor say when they can't begin, or not yet."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# Nobody listens there.
AWAY = "postgresql://u:p@127.0.0.1:1/x"


def started(home: Path, url: str, *module: str) -> "subprocess.Popen[str]":
    given = {**os.environ, "CONDUCTOR_HOME": str(home), "CONDUCTOR_DATABASE_URL": url}
    with (home / "said").open("w") as said:
        return subprocess.Popen(
            [sys.executable, "-m", *module], env=given, stdout=said, stderr=said
        )


@pytest.mark.parametrize("module", [("workers", "agent"), ("workers", "system"), ("beat",)])
def test_settings_that_can_not_be_used_are_told_in_a_sentence(
    home: Path, module: tuple[str, ...]
) -> None:
    assert started(home, "mysql://u:p@db/x", *module).wait(60) == 2
    told = (home / "said").read_text()
    assert "starts with mysql, which Conductor does not speak" in told
    assert "Traceback" not in told


@pytest.mark.parametrize("role", ["agent", "system"])
def test_a_worker_waits_for_a_database_that_is_away_and_can_be_stopped(
    home: Path, role: str, wait_until: Callable[..., None]
) -> None:
    worker = started(home, AWAY, "workers", role)
    said = home / "said"
    wait_until(lambda: "this worker waits" in said.read_text(), seconds=60, what="it waits")
    worker.send_signal(signal.SIGTERM)
    worker.wait(60)
    assert "Traceback" not in said.read_text()
