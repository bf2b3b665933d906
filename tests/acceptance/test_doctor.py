"""`conductor doctor`: what it finds here, and what it says on poorer machines."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CONDUCTOR = [sys.executable, "-m", "conductor_app.cli.main"]


def doctor(**environment: str) -> tuple[int, dict[str, dict[str, Any]]]:
    ran = subprocess.run(
        [*CONDUCTOR, "doctor", "--json"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in ran.stderr
    findings = json.loads(ran.stdout)["data"]
    return ran.returncode, {finding["name"]: finding for finding in findings}


def test_this_machine_has_what_conductor_needs(home: Path) -> None:
    code, findings = doctor()
    needed = {name: row for name, row in findings.items() if row["required"]}
    assert all(row["ok"] for name, row in needed.items() if name != "Sandbox"), needed
    assert code == (0 if needed["Sandbox"]["ok"] else 1)


def test_for_people_it_is_a_table_with_a_last_word(home: Path) -> None:
    ran = subprocess.run([*CONDUCTOR, "doctor"], capture_output=True, text=True)
    assert ran.stdout.splitlines()[0].startswith("ok       Python")
    assert ran.stdout.rstrip().splitlines()[-1].endswith(".")


def test_without_git_it_says_how_to_install_it(home: Path, tmp_path: Path) -> None:
    code, findings = doctor(PATH=str(tmp_path))
    assert code == 1
    assert not findings["git"]["ok"]
    assert "apt install git" in findings["git"]["advice"]


def test_an_old_git_is_not_enough(home: Path, tmp_path: Path) -> None:
    git = tmp_path / "git"
    git.write_text("#!/bin/sh\necho git version 2.17.1\n")
    git.chmod(0o755)
    code, findings = doctor(PATH=str(tmp_path))
    assert code == 1
    assert "2.17.1" in findings["git"]["found"]
    assert "2.38" in findings["git"]["advice"]


def test_a_silent_server_is_named_without_its_password(home: Path) -> None:
    code, findings = doctor(DATABASE_URL="postgresql://u:secret@127.0.0.1:1/x")
    assert code == 1
    assert "127.0.0.1:1 does not answer" in findings["Servers"]["advice"]
    assert "secret" not in str(findings)


def test_it_only_looks_at_the_data_directory(home: Path) -> None:
    fresh = home / "fresh"
    _, findings = doctor(CONDUCTOR_HOME=str(fresh))
    assert findings["Data directory"]["ok"]
    assert "can be made" in findings["Data directory"]["found"]
    assert not fresh.exists()


def test_a_data_directory_that_can_not_be_made_is_named(home: Path) -> None:
    (home / "file").touch()
    code, findings = doctor(CONDUCTOR_HOME=str(home / "file" / "below"))
    assert code == 1
    assert "CONDUCTOR_HOME" in findings["Data directory"]["advice"]


@pytest.mark.parametrize("place", ["/proc", "/sys"])
def test_a_place_that_holds_no_files_is_not_enough(home: Path, place: str) -> None:
    """Whatever its permissions say."""
    code, findings = doctor(CONDUCTOR_HOME=f"{place}/conductor")
    assert code == 1
    assert not findings["Data directory"]["ok"]
    assert f"{place}/conductor can't be written" in findings["Data directory"]["advice"]


@pytest.mark.parametrize("sandbox", ["unconfined"])
def test_the_chosen_sandbox_is_tried(home: Path, sandbox: str) -> None:
    _, findings = doctor(CONDUCTOR_SANDBOX=sandbox)
    assert findings["Sandbox"]["found"].startswith(sandbox)


def test_it_says_which_connectors_are_ready_and_what_the_others_lack(home: Path) -> None:
    """What nobody has chosen is no reason to fail."""
    code, findings = doctor(ANTHROPIC_API_KEY="sk-0123456789", CONDUCTOR_LIVE_CALLS="true")
    assert findings["Connector replay"]["ok"]
    claude, codex = findings["Connector claude"], findings["Connector codex"]
    assert claude["found"] == "claude-sonnet-5-5, key of ANTHROPIC_API_KEY"
    assert not codex["ok"]
    assert not codex["required"]
    assert "Set OPENAI_API_KEY" in codex["advice"]
    assert "sk-0123456789" not in str(findings)
    assert code == (0 if findings["Sandbox"]["ok"] else 1)


def test_the_connector_that_is_chosen_for_all_is_needed(home: Path) -> None:
    code, findings = doctor(CONDUCTOR_CONNECTOR="deepseek")
    assert code == 1
    assert findings["Connector deepseek"]["required"]


def test_coding_agents_that_are_here_are_named(home: Path, tmp_path: Path) -> None:
    (tmp_path / "codex").write_text("#!/bin/sh\n")
    (tmp_path / "codex").chmod(0o755)
    _, findings = doctor(PATH=f"{tmp_path}:/usr/bin:/bin")
    row = findings["Coding agents"]
    assert row["ok"] and not row["required"]
    assert "codex" in row["found"].split(", ")
    assert "gemini: npm install -g @google/gemini-cli" in row["advice"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("prices: {claude-x: {input: 1, output: 2}}", "prices.claude-x: write provider/model"),
        ("connectors: {claude: {modle: x}}", "Did you mean `model`"),
        (
            "connectors: {command: {agents: {api: {program: mine}}}}",
            "say how yours is started, with `argv`",
        ),
        ("connectors: {acp: {hosts: [localhost]}}", "this machine"),
        ("conectors: {}", "Did you mean `connectors`"),
    ],
)
def test_a_mistake_in_the_settings_is_found_though_nobody_uses_it_yet(
    home: Path, text: str, told: str
) -> None:
    (home / "conductor.yml").write_text(text)
    code, findings = doctor()
    assert code == 1
    row = findings["Settings"]
    assert row["required"] and not row["ok"]
    assert row["advice"].count(told) == 1


def test_settings_that_are_right_are_named_by_their_file(home: Path) -> None:
    assert "no conductor.yml" in doctor()[1]["Settings"]["found"]
    (home / "conductor.yml").write_text("prices: {a/b: {input: 1, output: 2}}")
    row = doctor()[1]["Settings"]
    assert row["ok"] and row["found"] == str(home / "conductor.yml")


def test_a_connector_for_all_that_there_is_not_is_told(home: Path) -> None:
    ran = subprocess.run(
        [*CONDUCTOR, "doctor"],
        env={**os.environ, "CONDUCTOR_CONNECTOR": "claud"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 2
    assert "CONDUCTOR_CONNECTOR" in ran.stderr and "`claude`" in ran.stderr


def test_a_docker_whose_daemon_is_silent_is_not_there(home: Path, tmp_path: Path) -> None:
    """And that is no reason to fail: few checks need it."""
    docker = tmp_path / "docker"
    docker.write_text("#!/bin/sh\necho 28.2.2\n")
    docker.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    assert doctor(PATH=path)[1]["Docker"]["found"] == f"28.2.2 ({docker})"
    docker.write_text("#!/bin/sh\necho Cannot connect >&2\nexit 1\n")
    code, findings = doctor(PATH=path)
    row = findings["Docker"]
    assert not row["ok"] and not row["required"]
    assert row["found"] == f"no daemon answers {docker}"
    assert row["advice"].startswith("Start the daemon")
    assert code == (0 if findings["Sandbox"]["ok"] else 1)
