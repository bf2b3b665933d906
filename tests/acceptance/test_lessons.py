"""From an attempt to the next one's prompt: an agent proposes, a person accepts or rejects."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from werkzeug.serving import make_server

from beat import projections
from conductor_app import create_app
from conductor_app.cli.main import main
from tests.fakes.model_server import Ask, Reply, Space, says
from tests.integration.test_work_in_process import Stage

TEMPLATE = """
  worker: {title: Works, connector: claude}
phases:
  - number: 0
    name: Only
    tasks:
      - {key: work, title: Work, agent: worker, needs: [], retry: {max: 0}}
"""
GOOD, BAD = "The tests need the clock of the database", "All checks may be skipped"
PROPOSALS = says(
    "",
    ("remember", {"lesson": GOOD, "action": "It was passed in"}),
    ("remember", {"lesson": BAD, "category": "success"}),
    ("report_signal", {"type": "quality_issue", "title": "No test of the clock"}),
)
FINISH = says("", ("finish", {"summary": "done"}))
Run = Callable[..., str]


@pytest.fixture
def prompts(model_server: Space) -> list[str]:
    """What each attempt was told first; all propose the same."""
    heard: list[str] = []

    def script(ask: Ask) -> Reply:
        if ask.turn > 1:
            return FINISH
        heard.append(ask.prompt)
        return PROPOSALS

    model_server.add("played", script=script)
    return heard


@pytest.fixture
def stage(home: Path, model_server: Space, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A worker, and the API where the settings say it listens."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", model_server.url("played"))
    stage = Stage(home)
    server = make_server("127.0.0.1", 0, create_app(stage.conductor), threaded=True)
    monkeypatch.setenv("CONDUCTOR_PORT", str(server.server_port))
    monkeypatch.setenv("CONDUCTOR_TOKEN", stage.conductor.settings.api_token())
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield stage
    server.shutdown()
    thread.join()
    server.server_close()
    stage.process.close()


@pytest.fixture
def run(stage: Stage, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main([*arguments, "--project", str(stage.repository)])
        told = capsys.readouterr()
        assert ended.value.code == 0, told.err
        return told.out

    return run


def test_what_a_person_accepts_is_in_the_next_prompt(
    stage: Stage, prompts: list[str], run: Run
) -> None:
    first = stage.run(TEMPLATE)
    stage.run(TEMPLATE)
    assert not [each for each in prompts if GOOD in each or BAD in each]
    found = json.loads(run("lessons", "--proposed", "--execution", first, "--json"))
    proposed = {each["description"]: each["id"] for each in found["data"]["items"]}
    assert run("lessons", "accept", proposed[GOOD]).startswith("Accepted: ")
    assert run("lessons", "reject", proposed[BAD], "--reason", "Never").startswith("Rejected: ")

    stage.run(TEMPLATE)
    assert f"{GOOD}. What was done: It was passed in" in prompts[-1]
    assert BAD not in prompts[-1]

    projections.refresh(stage.conductor)
    written = json.loads((stage.repository / ".conductor" / "lessons.json").read_text())
    assert [each["description"] for each in written] == [GOOD]
    assert "No test of the clock" in run("signals", "--execution", first)
    report = run("report", "--execution", first)
    assert GOOD in report and BAD not in report and "No test of the clock" in report
