"""Canaries in the environment, files, settings, outputs and a model's words: found in no sink."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conductor_app.settings import Settings
from conductor_app.stack import embedded
from tests.fakes import secrecy
from tests.fakes.model_server import Ask, Reply, Space, says

KEY = "sk-ant-canary-environment-0123456789"
PASSWORD = 'canary "pass+word" 8f3c/='
CHECK = "canary-of-the-checks-8f3c1"
TOKEN = "canary-bearer-of-the-api-8f3c1"
FILE = "sk-proj-canary-in-a-file-0123456789"
# Nobody told Conductor of this one; its shape does.
SHAPE = "ghp_canary0123456789abcdefghijABCDEFGHIJ"
KNOWN = (KEY, PASSWORD, CHECK, TOKEN, FILE)
CANARIES = (*KNOWN, SHAPE)

TEMPLATE = """
name: leaky
title: Leaky
agents:
  talker: {{title: Takes turns, connector: claude}}
  raiser: {{title: Raises, function: "tests.fakes.leaky:Raises"}}
phases:
  - number: 0
    name: Only
    tasks:
      - key: talk
        title: Talk
        agent: talker
        needs: []
        prompt: Do what you like with {shape}.
        retry: {{max: 3, backoff: fixed, base: 0}}
        checks:
          - {{name: Told, kind: command, run: "cat {file}; echo $TOKEN; test -f second"}}
      - {{key: raise, title: Raise, agent: raiser, needs: [talk], retry: {{max: 0}}}}
"""


def leaky(file: Path) -> dict[str, list[Reply]]:
    """By attempt, what the model says: it knows every canary, and tells wherever it can."""
    all_of_them = " ".join(CANARIES)
    tells = ("run_command", {"command": f"cat {file}; echo {PASSWORD!r} >&2; false"})
    return {
        "first": [
            says(f"I know {all_of_them}", tells, thinking=f"{KEY} is secret"),
            says(
                "", ("remember", {"category": "pattern", "lesson": f"Use {KEY}", "action": SHAPE})
            ),
            says(
                "", ("report_signal", {"type": "quality_issue", "title": PASSWORD, "detail": TOKEN})
            ),
            says("", ("write_file", {"path": "leak.txt", "content": f"{KEY}\n{PASSWORD}\n"})),
            says("", ("finish", {"summary": f"It holds {all_of_them}."})),
        ],
        "second": [
            says(PASSWORD, ("write_file", {"path": "first", "content": "fine\n"})),
            says("", ("finish", {"summary": f"Now without {all_of_them}."})),
        ],
        "third": [
            says("", ("write_file", {"path": "second", "content": "fine\n"})),
            says("", ("finish", {"summary": f"Signed, {all_of_them}."})),
        ],
    }


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    subprocess.run(["git", "init", "--quiet", str(path)], check=True)
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    start = ["git", "-C", str(path), *identity, "commit", "-qm", "Start", "--allow-empty"]
    subprocess.run(start, check=True)
    return path


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    file = tmp_path / "outside" / "key"
    file.parent.mkdir()
    file.write_text(FILE)
    return file


@pytest.fixture
def canaries(
    home: Path, key_file: Path, model_server: Space, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    conversations: list[list[Reply]] = list(leaky(key_file).values())

    def script(ask: Ask) -> Reply:
        if ask.turn == 1:
            script.now = conversations.pop(0)  # type: ignore[attr-defined]
        return script.now[ask.turn - 1]  # type: ignore[attr-defined,no-any-return]

    (home / "conductor.yml").write_text(f"connectors: {{codex: {{key_file: {key_file}}}}}\n")
    for name, value in {
        "PYTHONPATH": os.getcwd(),
        "ANTHROPIC_API_KEY": KEY,
        "SOME_SERVICE_PASSWORD": PASSWORD,
        "CONDUCTOR_CHECK_TOKEN": CHECK,
        "CONDUCTOR_TOKEN": TOKEN,
        # A command that can read what it should not: what it says is what counts here.
        "CONDUCTOR_SANDBOX": "unconfined",
        "CONDUCTOR_LOG_LEVEL": "DEBUG",
        "CONDUCTOR_LOG_FORMAT": "json",
        "CONDUCTOR_CLAUDE_BASE_URL": model_server.add("leaky", script=script),
    }.items():
        monkeypatch.setenv(name, value)
    yield
    embedded.stop(home)


def conductor(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "conductor_app.cli.main", *arguments]
    return subprocess.run(command, text=True, capture_output=True, timeout=300)


def test_nothing_that_an_execution_leaves_holds_a_secret(
    home: Path,
    repository: Path,
    key_file: Path,
    canaries: None,
    model_server: Space,
    tmp_path: Path,
) -> None:
    template = tmp_path / "leaky.yml"
    template.write_text(TEMPLATE.format(file=key_file, shape=SHAPE))
    ran = conductor("run", str(template), f"--project={repository}")
    told = ran.stdout + ran.stderr
    # All three attempts took place, and the agent that raises has failed.
    with_file = subprocess.run(
        ["git", "-C", str(repository), "log", "--all", "--format=%s%n%b", "--", "second"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Signed, [masked]" in with_file.stdout, told
    assert "RuntimeError" in told, told
    assert not secrecy.found_in(told, CANARIES)
    database = Settings.load(home).database_url
    own = secrecy.secrets_of(home)
    found = secrecy.leaks(home, database, repository, (*CANARIES, *own))
    # The template is its author's text, kept word for word to be compared by its hash.
    templates = ("table workflow", "conductor.db")
    found = [
        each
        for each in found
        if SHAPE[:12] not in each or not any(place in each for place in templates)
    ]
    assert not found, "\n".join(found)
    for request in model_server.requests:
        words = json.dumps([each for each in request.body["messages"] if each["role"] == "user"])
        words += json.dumps(request.body["system"]) + request.path
        assert not secrecy.found_in(words, CANARIES), words
    again = conductor("run", str(template), f"--project={repository}", f"--input=x={PASSWORD}")
    assert again.returncode != 0
    assert not secrecy.found_in(again.stdout + again.stderr, CANARIES)
    assert not secrecy.leaks(home, database, None, KNOWN)
