"""`conductor run` as a process, on a small workflow whose agents are Python functions."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from conductor_app.stack import embedded
from tests.trials import WORKFLOW, Trial

# Python runs a module of this name first of all, whatever it was started for.
BROKEN_SYSTEM = """
import os, sys
if "system" in sys.orig_argv and os.path.exists({flag!r}):
    print("OSError: no disk", flush=True)
    os._exit(1)
"""


def test_a_run_to_its_verified_end(trial: Trial) -> None:
    trial.signal.touch()
    (trial.repository / "mine.txt").write_text("not committed\n")
    ran = trial.conductor(*trial.run(careless="true"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "mine.txt" in ran.stderr
    assert "Connector function: agents that are Python functions; no model is called" in ran.stdout
    assert "0/result: attempt 1 failed (CHECK_FAILED" in ran.stdout
    assert "Result Written: 1 check passed, 1 skipped (no-such-program" in ran.stdout
    assert "mended by a later attempt" in ran.stdout
    assert "Trial: complete up to phase 1" in ran.stdout
    branch = trial.git("branch", "--list", "conductor/*", "--format=%(refname:short)")
    assert trial.git("show", f"{branch}:result.txt") == "good"
    assert f"log --stat {branch}" in ran.stdout
    assert trial.git("status", "--porcelain", "--", "mine.txt") == "?? mine.txt"
    assert trial.git("log", "--format=%s", "HEAD") == "Start"
    assert embedded.find(trial.home) is None
    assert "is completed" in trial.conductor("status").stdout


def test_a_run_on_a_url(trial: Trial, tmp_path: Path) -> None:
    trial.signal.touch()
    trial.git("clone", "--quiet", "--bare", str(trial.repository), str(tmp_path / "remote.git"))
    url = f"file://{tmp_path / 'remote.git'}"
    ran = trial.conductor(*trial.run(), "--project", url)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"Repository {url}, branch conductor/" in ran.stdout
    (look,) = re.findall(r"^Look +(git clone --branch \S+ \S+)$", ran.stdout, re.MULTILINE)
    subprocess.run([*look.split(), str(tmp_path / "clone")], check=True, capture_output=True)
    assert (tmp_path / "clone" / "result.txt").read_text() == "good\n"
    assert trial.git("branch", "--list", "conductor/*") == ""
    status = trial.conductor("status", "--project", url)
    assert "is completed" in status.stdout


def test_ctrl_c_pauses_and_resume_survives_killed_processes(
    trial: Trial, wait_until: Callable[..., None]
) -> None:
    running = trial.start(*trial.run())
    wait_until(lambda: "1/wait started" in trial.said.read_text(), 120, "the task runs")
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=120) == 130
    assert "conductor run --resume" in trial.said.read_text()
    assert embedded.find(trial.home) is None
    assert "is paused" in trial.conductor("status").stdout

    second = trial.conductor(*trial.run())
    assert second.returncode == 1
    assert "--resume" in second.stderr

    resumed = trial.start("run", "--resume", "--json")
    wait_until(lambda: "1/wait started" in trial.said.read_text(), 120, "the task runs again")
    stack = embedded.find(trial.home)
    assert stack is not None
    for name, state in stack.supervisor().states().items():
        if name in ("api", "worker"):
            os.kill(state.pid, signal.SIGKILL)
    trial.signal.touch()
    assert resumed.wait(timeout=180) == 0, trial.said.read_text()
    said = trial.said.read_text()
    assert "worker of attempt 2 was lost" in said
    told = json.loads(said[said.index("\n{\n") :])
    assert told["data"]["execution"]["status"] == "completed"


def test_a_second_ctrl_c_waits_for_nobody(trial: Trial, wait_until: Callable[..., None]) -> None:
    running = trial.start(*trial.run(stubborn="true"))
    wait_until(lambda: "1/wait started" in trial.said.read_text(), 120, "the task runs")
    running.send_signal(signal.SIGINT)
    wait_until(lambda: "Pausing" in trial.said.read_text(), 30, "it pauses")
    wait_until(lambda: "is paused" in trial.conductor("status").stdout, 30, "it is paused")
    running.send_signal(signal.SIGINT)
    wait_until(lambda: "Hurrying" in trial.said.read_text(), 10, "it hurries")
    assert running.wait(timeout=25) == 130
    assert embedded.find(trial.home) is None


def test_a_task_is_done_again_or_stopped_at_a_persons_wish(
    trial: Trial, wait_until: Callable[..., None]
) -> None:
    assert trial.conductor("up").returncode == 0
    running = trial.start(*trial.run())
    wait_until(lambda: "1/wait started" in trial.said.read_text(), 120, "the task runs")
    again = trial.conductor("rerun", "wait", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["data"]["tasks"] == ["1/wait"]
    wait_until(lambda: trial.said.read_text().count("1/wait started") == 2, 60, "it runs again")
    left = trial.conductor("rerun", "0/result")
    assert (left.returncode, "conductor rollback --to 0" in left.stderr) == (1, True)

    stopped = trial.conductor("cancel", "1/wait")
    assert (stopped.returncode, stopped.stdout) == (0, "Task 1/wait is cancelled.\n")
    assert running.wait(timeout=60) == 1, trial.said.read_text()
    assert "conductor retry 1/wait" in trial.said.read_text()


def test_a_run_that_does_not_move_says_so_and_goes_on_when_it_can(
    trial: Trial, tmp_path: Path, wait_until: Callable[..., None]
) -> None:
    broken = tmp_path / "broken"
    (tmp_path / "sitecustomize.py").write_text(BROKEN_SYSTEM.format(flag=str(broken)))
    running = trial.start(*trial.run())
    wait_until(lambda: "1/wait started" in trial.said.read_text(), 120, "the task runs")
    broken.touch()
    stack = embedded.find(trial.home)
    assert stack is not None
    os.kill(stack.supervisor().states()["system"].pid, signal.SIGKILL)
    # What comes after this task is a matter of the system worker.
    trial.signal.touch()
    wait_until(lambda: "Nothing has moved since" in trial.said.read_text(), 120, "it says so")
    said = trial.said.read_text()
    assert "`system` (last at " in said
    assert f"`system` says: OSError: no disk. See {trial.home}/logs/system.log" in said
    broken.unlink()
    assert running.wait(timeout=180) == 0, trial.said.read_text()
    assert trial.said.read_text().count("Nothing has moved") == 1


def test_a_task_that_fails_for_good_and_the_ways_out(trial: Trial) -> None:
    trial.signal.touch()
    trial.workflow.write_text(WORKFLOW.replace("RETRIES", "0"))
    failed = trial.conductor(*trial.run(careless="true"))
    assert failed.returncode == 1
    assert "0/result failed for good" in failed.stdout
    assert "conductor retry 0/result" in failed.stderr
    assert "conductor run --resume" in failed.stderr

    assert trial.conductor("up").returncode == 0
    wrong = trial.conductor("retry", "1/wait")
    assert (wrong.returncode, "waits for its next try" in wrong.stderr) == (1, True)
    skipped = trial.conductor("skip", "result", "--reason", "Not today")
    assert skipped.returncode == 0, skipped.stderr
    resumed = trial.conductor("run", "--resume", "--project", str(trial.repository))
    # Its milestone needs the file that nobody wrote.
    assert resumed.returncode == 1, resumed.stdout
    assert "The result is there" in resumed.stderr
    assert embedded.find(trial.home) is not None
    assert trial.conductor("test", "--json").returncode == 1
    assert trial.conductor("stop", "--cancel").returncode == 0
    assert "is cancelled" in trial.conductor("status").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run", "--connector", "oracle"], 2, "There is no connector `oracle`"),
        (["run", "no-such-workflow"], 2, "project-conductor"),
        (["run", "--input", "colour=blue"], 2, "is not an input"),
        (["run", "--project", "/tmp"], 2, "is not a git repository"),
        (["run", "--resume", "--from", "1"], 2, "--project only"),
        (["check", "BROKEN"], 2, "broken.yml:2:"),
    ],
)
def test_bad_input_starts_nothing(
    trial: Trial, arguments: list[str], code: int, words: str
) -> None:
    broken = trial.workflow.with_name("broken.yml")
    broken.write_text("name: broken\nphases: {}\n")
    ran = trial.conductor(*(str(broken) if each == "BROKEN" else each for each in arguments))
    assert ran.returncode == code
    assert words in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    assert embedded.find(trial.home) is None
