"""`conductor run change` as a process: a model's words become a verified commit, and a bill."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from conductor_app.stack import embedded
from conductor_app.views.units import usd
from tests.conftest import new_home
from tests.fakes.model_server import Ask, ModelServer, Reply, Space, says
from tests.fakes.model_server.scenarios import BUILT_IN, verdicts

CHECK = 'python3 -c "import greeting; assert greeting.GREETING"'
# Has the shape of a key, and opens nothing.
SECRET = "sk-ant-" + "0a1b2c3d" * 5
REQUIREMENTS = "requirements.txt"
KEY = "sk-ant-of-the-tests-0123456789"
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
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", model_server.url("change"))
    monkeypatch.setenv("CONDUCTOR_CLAUDE2_BASE_URL", model_server.url("verdict-pass"))
    day = Day(home, tmp_path / "work", model_server)
    begin(day)
    yield day
    embedded.stop(home)


@pytest.fixture(scope="module")
def stack(model_server_of_session: ModelServer) -> Iterator[tuple[Path, Space]]:
    """One that goes on beside the runs of several tests; its models are `work` and `review`."""
    with new_home() as home, model_server_of_session.space() as server:
        given = {
            "PYTHONPATH": os.getcwd(),
            "ANTHROPIC_API_KEY": KEY,
            "CONDUCTOR_HOME": str(home),
            "CONDUCTOR_CLAUDE_BASE_URL": server.url("work"),
            "CONDUCTOR_CLAUDE2_BASE_URL": server.url("review"),
            "CONDUCTOR_CHECK_WORD": "installed",
        }
        command = [sys.executable, "-m", "conductor_app.cli.main", "up"]
        subprocess.run(command, env={**os.environ, **given}, check=True, timeout=300)
        yield home, server
        embedded.stop(home)


@pytest.fixture
def joined(stack: tuple[Path, Space], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Day:
    """A day of its own, with a repository of its own, at a stack that runs already."""
    home, server = stack
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    monkeypatch.setenv("CONDUCTOR_HOME", str(home))
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    server.begin_anew()
    server.add("work", script=BUILT_IN["change"])
    server.add("review", script=BUILT_IN["verdict-pass"])
    day = Day(home, tmp_path / "work", server)
    begin(day)
    return day


def begin(day: Day) -> None:
    """A repository with an empty commit."""
    day.repository.mkdir()
    day.git("init", "--quiet")
    day.git(*IDENTITY, "commit", "--quiet", "--allow-empty", "-m", "Start")


@pytest.fixture
def attempts(joined: Day) -> None:
    """An implementer that says something else each time it is asked anew."""
    asked: list[str] = []

    def script(ask: Ask) -> Reply:
        if ask.turn == 1:
            asked.append(ask.said)
        word = f"greeting {len(asked)}"
        if ask.turn == 1:
            call = ("write_file", {"path": "greeting.py", "content": f"GREETING = {word!r}\n"})
            return says(f"I write it, without {SECRET}.", call)
        return says("", ("finish", {"summary": f"It says {word}."}))

    joined.server.add("work", script=script)


def test_a_change_is_made_checked_reviewed_and_paid_for(day: Day) -> None:
    ran = day.change("--connector", "claude", prompt="Say hello\nin Python.", check=CHECK)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Connector claude, claude2: live models, which cost money" in ran.stdout
    assert "Reviewed: 1 check passed" in ran.stdout
    assert day.git("show", f"{day.branch}:greeting.py") == 'GREETING = "hello"'
    assert day.git("log", "--format=%s", f"HEAD..{day.branch}") == "Say hello"
    assert f"log --stat {day.branch}" in ran.stdout
    ledger = day.server.ledger
    assert f"Cost      {usd(ledger.total.cost_nano_usd)} USD" in ran.stdout
    assert "implementer, claude (claude-sonnet-5-5), 4 calls" in ran.stdout
    assert "validator, claude2 (claude-sonnet-5-5), 1 call" in ran.stdout
    review = day.server.requests[-1].body["messages"][0]["content"][0]["text"]
    assert '<request task="0/change">\nSay hello\nin Python.' in review
    assert '+GREETING = "hello"' in review
    assert "It does all of what was asked for." in review
    assert "Tasks     1 of 1 completed, 1 check passed\n" in ran.stdout
    logs = re.findall(r", log `(.+)`\)", day.conductor("report").stdout)
    reviewed, checked = map(Path, logs)
    assert review in reviewed.read_text()
    assert checked.exists()


@pytest.fixture
def needy(joined: Day) -> Day:
    """Its repository needs a package."""
    (joined.repository / "requirements.txt").write_text("needed\n")
    joined.git("add", ".")
    joined.git(*IDENTITY, "commit", "--quiet", "-m", "It needs something")
    return joined


def test_the_check_finds_what_the_setup_has_installed(needy: Day) -> None:
    places = "$CONDUCTOR_ENV/lib/python3.*/site-packages"
    install = f"for place in {places}; do echo WORD = \\'$WORD\\' > $place/needed.py; done"
    ran = needy.change(
        prompt="Say hello.",
        check="python -c 'import greeting, needed; assert needed.WORD'",
        setup=f"cat requirements.txt && {install}",
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_setup_that_fails_costs_nothing(needy: Day) -> None:
    ran = needy.change(prompt="Say hello.", check="true", setup="grep other requirements.txt")
    assert ran.returncode != 0
    assert "The project's setup (grep other requirements.txt) ended with exit code 1" in ran.stdout
    assert not needy.server.requests


def test_the_validator_sends_it_back_with_its_words(joined: Day, attempts: None) -> None:
    day = joined
    day.server.add("review", script=verdicts(False, True))
    ran = day.change(prompt="Say hello in Python.", check=CHECK)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = "Milestone Reviewed: a check failed (The Validator approves: Validator "
    assert told in ran.stdout and "; the task behind it is opened again" in ran.stdout
    assert day.git("show", f"{day.branch}:greeting.py") == "GREETING = 'greeting 2'"
    asked = [each for each in day.server.requests if each.scenario == "work"]
    again = str(asked[2].body["messages"][0])
    assert "A part of what was asked for is missing." in again
    reviews = [each for each in day.server.requests if each.scenario == "review"]
    assert "You have sent it back before" not in str(reviews[0].body)
    assert "You have sent it back before" in str(reviews[1].body)


def test_what_a_person_skips_is_not_reviewed(joined: Day) -> None:
    day = joined
    day.server.add("work", script=BUILT_IN["refusal"])
    assert day.change(prompt="Say hello.", check="true").returncode == 1
    place = f"--project={day.repository}"
    told = day.conductor("skip", "0/change", "--reason", "It is not needed.", place)
    assert told.returncode == 0, told.stderr
    day.conductor("run", "--resume", place)
    report = day.conductor("report", place).stdout
    assert "completed |" in report
    assert "0/change: skipped by a person, so there is nothing to review" in report
    assert not [each for each in day.server.requests if each.scenario == "review"]


def test_what_was_recorded_is_replayed_without_a_model(
    joined: Day, attempts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what the Validator sent back; and no secret gets into the recording."""
    day = joined
    day.server.add("review", script=verdicts(False, True))
    ran = day.change("--record", prompt="Say hello in Python.", check=CHECK)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    recorded = day.home / "recordings" / "change"
    assert f"Recorded  phase 0, 2 attempts, 2 reviews in {recorded}" in ran.stdout
    assert sorted(file.name for file in recorded.iterdir()) == [
        "0-change.1.jsonl",
        "0-change.2.jsonl",
        "reviews.jsonl",
    ]
    said = (recorded / "0-change.1.jsonl").read_text()
    assert "I write it, without [masked]." in said
    assert SECRET not in said
    before = day.branch
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    asked = len(day.server.requests)
    again = day.change("--connector", "replay", prompt="As recorded.", check=CHECK)
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(day.server.requests) == asked
    [branch] = set(day.branch.split()) - {before}
    assert day.git("rev-parse", f"{branch}^{{tree}}") == day.git("rev-parse", f"{before}^{{tree}}")
    assert "Cost      0.00 USD (replay)" in again.stdout


def test_the_third_no_is_the_last(joined: Day, attempts: None) -> None:
    day = joined
    day.server.add("review", script=verdicts(False))
    ran = day.change(prompt="Say hello in Python.", check=CHECK)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "Milestone Reviewed fails its checks (The Validator approves: " in ran.stderr
    assert "A part of what was asked for is missing." in ran.stderr
    reviews = [each for each in day.server.requests if each.scenario == "review"]
    assert len(reviews) == 3
    # What was done stays on the branch, for a person to see.
    assert day.git("show", f"{day.branch}:greeting.py") == "GREETING = 'greeting 3'"


def test_a_verdict_that_is_none_is_the_reviewers_failure(joined: Day) -> None:
    day = joined
    day.server.add("review", script=BUILT_IN["prose"])
    ran = day.change(prompt="Say hello in Python.", check=CHECK)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "There is no review, which says nothing about the work." in ran.stderr
    assert "gave no verdict that can be read" in ran.stderr
    assert "Attempts  1\n" in ran.stdout
    day.server.add("review", script=BUILT_IN["verdict-pass"])
    ran = day.conductor("run", "--resume", f"--project={day.repository}")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Reviewed: 1 check passed" in ran.stdout


def test_without_a_key_for_the_validator_the_check_judges_alone(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-tests-0123456789abcdef")
    monkeypatch.setenv("CONDUCTOR_CODEX_BASE_URL", day.server.url("change") + "/v1")
    ran = day.change("--connector", "codex", prompt="Say hello in Python.", check=CHECK)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "so nobody reviews the work." in ran.stdout
    assert "Reviewed: 0 checks passed, 1 skipped (the agent validator has no key" in ran.stdout


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({}, "`prompt` is required; give it with --input prompt=..."),
        ({"prompt": " "}, "`prompt` is empty"),
        ({"prompt": "Go", "chekc": "true"}, "did you mean `check`?"),
    ],
)
def test_what_can_not_be_begun(day: Day, inputs: dict[str, str], words: str) -> None:
    ran = day.change(**inputs)
    assert ran.returncode == 2
    assert words in ran.stderr
    assert embedded.find(day.home) is None


def test_no_key_at_all(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    ran = day.change(prompt="Say hello in Python.")
    assert ran.returncode == 2
    assert "so nothing is started. Set ANTHROPIC_API_KEY" in ran.stderr
    assert embedded.find(day.home) is None
