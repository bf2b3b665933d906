"""`conductor run change` as a process: a model's words become a verified commit, and a bill."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from conductor_app.stack import embedded
from tests.fakes.model_server import Space

CHECK = 'python3 -c "import greeting; assert greeting.GREETING"'
IDENTITY = ("-c", "user.name=A", "-c", "user.email=a@example.org")


@dataclass
class Day:
    """A data directory, a repository, and a model server that plays the providers."""

    home: Path
    repository: Path
    server: Space

    def conductor(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "conductor_app.cli.main", *arguments]
        return subprocess.run(command, text=True, capture_output=True, timeout=300)

    def change(self, *arguments: str, **inputs: str) -> subprocess.CompletedProcess[str]:
        given = [f"--input={name}={value}" for name, value in inputs.items()]
        return self.conductor("run", "change", f"--project={self.repository}", *given, *arguments)

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.repository), *arguments]
        return subprocess.run(command, text=True, capture_output=True, check=True).stdout.strip()

    @property
    def branch(self) -> str:
        return self.git("branch", "--list", "conductor/*", "--format=%(refname:short)")


@pytest.fixture
def day(
    home: Path, tmp_path: Path, model_server: Space, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Day]:
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-of-the-tests-0123456789")
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", model_server.url("change"))
    monkeypatch.setenv("CONDUCTOR_CLAUDE2_BASE_URL", model_server.url("verdict-pass"))
    day = Day(home, tmp_path / "work", model_server)
    day.repository.mkdir()
    day.git("init", "--quiet")
    day.git(*IDENTITY, "commit", "--quiet", "--allow-empty", "-m", "Start")
    yield day
    embedded.stop(home)


def test_a_change_is_made_checked_and_paid_for(day: Day) -> None:
    ran = day.change("--connector", "claude", prompt="Say hello\nin Python.", check=CHECK)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "claude" in ran.stdout and "cost money" in ran.stdout
    assert day.git("show", f"{day.branch}:greeting.py") == 'GREETING = "hello"'
    assert day.git("log", "--format=%s", f"HEAD..{day.branch}") == "Say hello"
    assert f"log --stat {day.branch}" in ran.stdout
