"""The files in `.conductor/` after a run, whether or not a tick came in time."""

import json
import signal
from collections.abc import Callable
from typing import Any

import pytest

from conductor_app.stack import embedded
from tests.trials import Trial


@pytest.fixture(autouse=True)
def no_tick_in_time(trial: Trial, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATION_INTERVAL", "15000")


def state(trial: Trial) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((trial.repository / ".conductor/state.json").read_text())
    return told


def test_they_tell_of_the_end_and_are_made_anew_at_will(trial: Trial) -> None:
    trial.signal.touch()
    ran = trial.conductor(*trial.run())
    assert ran.returncode == 0, ran.stdout + ran.stderr
    folder = trial.repository / ".conductor"
    assert state(trial)["status"] == "completed"
    dashboard = (folder / "dashboard.md").read_text()
    assert "completed" in dashboard
    assert trial.git("status", "--porcelain") == ""

    (folder / "dashboard.md").write_text("damaged")
    (folder / "state.json").unlink()
    made = trial.conductor("files", "--project", str(trial.repository))
    assert (made.returncode, made.stdout) == (0, f"The files in {folder} are up to date.\n")
    assert state(trial)["status"] == "completed"
    assert (folder / "dashboard.md").read_text().splitlines()[0] == dashboard.splitlines()[0]
    assert embedded.find(trial.home) is None


def test_they_tell_of_a_pause_by_ctrl_c(trial: Trial, wait_until: Callable[..., None]) -> None:
    running = trial.start(*trial.run())
    wait_until(lambda: "1/wait started" in trial.said.read_text(), 120, "the task runs")
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=120) == 130
    assert state(trial)["status"] == "paused"


def test_what_can_not_be_written_is_told(trial: Trial) -> None:
    trial.signal.touch()
    (trial.repository / ".conductor").write_text("in the way\n")
    ran = trial.conductor(*trial.run())
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Warning: The files in .conductor/ could not be written: " in ran.stderr
    made = trial.conductor("files", "--project", str(trial.repository))
    assert made.returncode == 1
    assert "could not be written: " in made.stderr
