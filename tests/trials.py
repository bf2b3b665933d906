"""A small workflow whose agents are Python functions, and `conductor` as a process on it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from conductor_app.stack import embedded

AGENTS = """
import time
from pathlib import Path

from workers.agents.base import AgentResult, BaseAgent
from workers.failures import AttemptFailed, FailureKind


class Writer(BaseAgent):
    def perform_task(self, task, context):
        good = task.failures or not task.inputs["careless"]
        (context.worktree / "result.txt").write_text("good\\n" if good else "bad\\n")
        return AgentResult("Wrote result.txt.")


class Patient(BaseAgent):
    def perform_task(self, task, context):
        while not Path(task.inputs["signal"]).exists():
            if context.cancelled() and not task.inputs["stubborn"]:
                raise AttemptFailed(FailureKind.CANCELLED, "It was stopped.")
            time.sleep(0.05)
        return AgentResult("The signal came.")
"""
WORKFLOW = """
name: trial
title: Trial
description: Small and quick.
inputs:
  signal: {type: string, required: true}
  careless: {type: boolean, default: false}
  stubborn: {type: boolean, default: false}
agents:
  writer: {title: Writer, function: "agents_of_trial:Writer"}
  patient: {title: Patient, function: "agents_of_trial:Patient"}
phases:
  - number: 0
    name: Writing
    goal: A file is there
    required_agents: [writer]
    tasks:
      - key: result
        title: Write the result
        agent: writer
        prompt: Write it.
        milestone: written
        produces: [result.txt]
        retry: {max: RETRIES, backoff: fixed, base: 0.1}
        checks:
          - {name: The result is good, kind: file, path: result.txt, contains: [good]}
    milestones:
      - key: written
        name: Result Written
        required_agents: [writer]
        checks:
          - {name: The result is there, kind: file, path: result.txt}
          - name: Needs what nobody has
            kind: command
            run: "true"
            requires: [no-such-program]
            optional: true
  - number: 1
    name: Waiting
    goal: The signal came
    tasks:
      - {key: wait, title: Wait for the signal, agent: patient, prompt: Wait., files: false}
"""


def _as_from_a_terminal() -> None:
    """Whatever started the tests may ignore what a person's Ctrl-C or closed terminal sends."""
    for each in (signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_DFL)


@dataclass
class Trial:
    """A data directory, a repository, a workflow, and the file that its last task waits for."""

    home: Path
    repository: Path
    workflow: Path
    signal: Path

    def conductor(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self._command(arguments), text=True, capture_output=True, timeout=300)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """`conductor`, going on while the test does; all it says is in the file `said`."""
        with self.said.open("w") as said:
            return subprocess.Popen(
                self._command(arguments),
                stdout=said,
                stderr=said,
                text=True,
                preexec_fn=_as_from_a_terminal,
            )

    def run(self, **inputs: str) -> list[str]:
        """The arguments of a run on this repository."""
        inputs = {"signal": str(self.signal), **inputs}
        given = [f"--input={name}={value}" for name, value in inputs.items()]
        return ["run", str(self.workflow), "--project", str(self.repository), *given]

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.repository), *arguments]
        return subprocess.run(command, text=True, capture_output=True, check=True).stdout.strip()

    @property
    def said(self) -> Path:
        return self.repository.with_name(f"{self.repository.name}-said.txt")

    def made(self) -> "Trial":
        """Itself, with a repository that has one commit."""
        self.repository.mkdir()
        self.git("init", "--quiet")
        identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
        self.git(*identity, "commit", "--quiet", "--allow-empty", "-m", "Start")
        return self

    def beside(self) -> "Trial":
        """Another one of the same installation, with a repository and a signal of its own."""
        at = self.repository.with_name("beside")
        return replace(self, repository=at, signal=self.signal.with_name("signal-beside")).made()

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "conductor_app.cli.main", *arguments]


@pytest.fixture(name="trial")
def a_trial(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Trial]:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.getcwd()]))
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    monkeypatch.setenv("CONDUCTOR_LEASE_SECONDS", "4")
    monkeypatch.setenv("CONDUCTOR_HEARTBEAT_SECONDS", "1")
    monkeypatch.setenv("ORCHESTRATION_INTERVAL", "1000")
    (tmp_path / "agents_of_trial.py").write_text(AGENTS)
    workflow = tmp_path / "trial.yml"
    workflow.write_text(WORKFLOW.replace("RETRIES", "3"))
    yield Trial(home, tmp_path / "work", workflow, tmp_path / "signal").made()
    embedded.stop(home)
