"""`conductor run change` by programs: checked, committed and billed like the work of a model."""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conductor_app.stack import embedded
from conductor_app.views.units import usd
from conductor_app.workflows import loader
from tests.acceptance.test_change import CHECK, IDENTITY, Day
from tests.conftest import missing
from tests.fakes import programs
from tests.fakes.model_server import Space, says

KEY = "sk-of-the-tests-0123456789abcdef"
CHANGE = loader.load("change").text
WRITE = ("write_file", {"path": "greeting.py", "content": 'GREETING = "hello"\n'})


@pytest.fixture
def day(
    home: Path, tmp_path: Path, model_server: Space, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Day]:
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", model_server.url("change"))
    monkeypatch.setenv("CONDUCTOR_CODEX_BASE_URL", model_server.url("change") + "/v1")
    monkeypatch.setenv("CONDUCTOR_CLAUDE2_BASE_URL", model_server.url("verdict-pass"))
    day = Day(home, tmp_path / "work", model_server)
    day.repository.mkdir()
    day.git("init", "--quiet")
    day.git(*IDENTITY, "commit", "--quiet", "--allow-empty", "-m", "Start")
    yield day
    embedded.stop(home)


def is_done(day: Day, ran: subprocess.CompletedProcess[str]) -> None:
    """The commit is there, the bill is the provider's to the last nano-USD, no key is anywhere."""
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert day.git("show", f"{day.branch}:greeting.py") == 'GREETING = "hello"'
    assert "Reviewed: 1 check passed" in ran.stdout
    assert f"Cost      {usd(day.server.ledger.cost_nano_usd)} USD" in ran.stdout
    kept = [each for each in (day.home / "artifacts").rglob("*") if each.is_file()]
    assert kept
    for path in kept:
        assert KEY not in path.read_text(errors="replace"), path


@pytest.mark.parametrize("program", ["claude-code", "codex"])
def test_by_the_programs_themselves(
    day: Day, program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    word = {"claude-code": "claude", "codex": "codex"}[program]
    if shutil.which(word) is None:
        missing(f"{program.upper()} NOT TRIED: {word} is not on PATH")
    monkeypatch.setenv("CONDUCTOR_COMMAND_PROGRAM", program)
    ran = day.change("--connector", "command", prompt="Say hello in Python.", check=CHECK)
    is_done(day, ran)
    assert f"command is {program}: each call of its model is reserved" in ran.stdout


def test_by_an_agent_of_the_protocol(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    url = day.server.add("edits", says("I write.", WRITE), says("It says hello."))
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", url)
    programs.acp_agent(day.home)
    is_done(day, day.change("--connector", "acp", prompt="Say hello.", check=CHECK))


def test_a_soft_cap_is_marked_wherever_it_costs(day: Day) -> None:
    script = """echo 'GREETING = "hello"' > greeting.py; echo done"""
    programs.shell(day.home, script)
    ran = day.change("--connector", "command", prompt="Say hello.", check=CHECK)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "command is stand-in: soft cap, it spends without asking" in ran.stdout
    told = day.conductor("budget", "usage", "--by", "connector")
    assert "1 run of programs that have not said what they used" in told.stdout, told.stderr


def test_a_program_that_is_not_there_is_asked_for(day: Day) -> None:
    programs.choose(day.home, "command", ["no-such-agent", "{prompt}"])
    ran = day.change("--connector", "command", prompt="Say hello.", check=CHECK)
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert "so nothing is started. There is no program `no-such-agent` on the PATH" in ran.stderr


def test_what_a_program_did_is_recorded_and_replayed(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.shell(day.home, """echo 'GREETING = "hello"' > greeting.py; echo I wrote it.""")
    ran = day.change("--connector", "command", "--record", prompt="Say hello.", check=CHECK)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Recorded  phase 0, 1 attempt, 1 review in " in ran.stdout
    before = day.branch
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    again = day.change("--connector", "replay", prompt="Say hello.", check=CHECK)
    assert again.returncode == 0, again.stdout + again.stderr
    [branch] = set(day.branch.split()) - {before}
    assert day.git("rev-parse", f"{branch}^{{tree}}") == day.git("rev-parse", f"{before}^{{tree}}")
    assert "I wrote it." in day.git("log", "-1", "--format=%b", branch)


def test_what_no_recording_can_do_is_said_and_hides_no_other(day: Day) -> None:
    programs.shell(day.home, """echo 'GREETING = "hi"' > greeting.py; printf '\\0' > a.bin""")
    ran = day.change("--connector", "command", "--record", prompt="Say hello.", check=CHECK)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Recorded  Nothing is recorded. 0/change, attempt 1: a.bin is no text" in ran.stdout
    assert not (day.home / "recordings").exists()


def test_the_work_of_a_failed_attempt_is_named(day: Day, tmp_path: Path) -> None:
    programs.shell(day.home, "echo half > half.txt; echo I broke >&2; exit 3")
    template = tmp_path / "once.yml"
    template.write_text(CHANGE.replace("retry: {max: 2}", "retry: {max: 0}"))
    given = [f"--project={day.repository}", "--connector=command", "--input=prompt=Go"]
    ran = day.conductor("run", str(template), *given, f"--input=check={CHECK}")
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "0/change failed for good (AGENT_ERROR: " in ran.stdout
    [line] = [line for line in ran.stdout.splitlines() if "Its work: " in line]
    command = shlex.split(line.partition("Its work: ")[2])
    assert command[:4] == ["git", "-C", str(day.repository), "show"]
    shown = subprocess.run(command, text=True, capture_output=True, check=True).stdout
    assert "+half" in shown
    told = day.conductor("report", "--json").stdout
    assert json.loads(told)["data"]["phases"][0]["tasks"][0]["attempts"][0]["kept"] == command[4]
