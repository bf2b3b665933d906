"""What agents ask, over HTTP and by the CLI: listed, read, answered once; then the task goes on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conductor_app.cli.main import main
from conductor_app.domain.outcome import Question, Suspended
from tests.api_caller import Caller, calling, repository

WHICH = Question("c1", "Which database?", ("PostgreSQL", "SQLite"))


@pytest.fixture
def api(home: Path) -> Iterator[Caller]:
    with calling(home) as caller:
        yield caller


@pytest.fixture
def asked(api: Caller, tmp_path: Path) -> dict[str, Any]:
    """The decision that a first task waits for."""
    api.start(repository(tmp_path / "repo"))
    api.work(of={"0/types": [Suspended("DECISION", "It asks.", bounded=False, question=WHICH)]})
    (decision,) = api.get("/decisions")["items"]
    found: dict[str, Any] = decision
    return found


def test_it_is_listed_with_its_task(api: Caller, asked: dict[str, Any]) -> None:
    assert (asked["task"], asked["agent"], asked["status"]) == ("0/types", "models", "pending")
    assert (asked["question"], asked["options"]) == ("Which database?", ["PostgreSQL", "SQLite"])
    assert api.get(f"/decisions/{asked['id']}") == asked
    for query, found in (
        ({"status": "pending"}, 1),
        ({"status": "answered"}, 0),
        ({"task": "0/routes"}, 0),
        ({"execution": asked["execution_id"]}, 1),
        ({"execution": "another"}, 0),
        ({"project": asked["project_id"]}, 1),
    ):
        assert len(api.get("/decisions", **query)["items"]) == found
    assert api.get("/decisions/none", 404)["code"] == "not_found"
    assert api.get("/decisions", 422, status="open")["code"] == "invalid_fields"


def test_an_answer_lets_the_task_go_on(api: Caller, asked: dict[str, Any]) -> None:
    told = api.post(f"/decisions/{asked['id']}/answer", {"answer": "sqlite"})
    assert (told["status"], told["answer"]) == ("answered", "SQLite")
    api.work()
    assert api.get(f"/executions/{asked['execution_id']}")["status"] == "completed"


def test_it_is_answered_once_by_somebody_who_means_it(api: Caller, asked: dict[str, Any]) -> None:
    path = f"/decisions/{asked['id']}/answer"
    assert "PostgreSQL, SQLite" in api.post(path, {"answer": "Oracle"}, 422)["message"]
    assert api.post(path, {"answer": ""}, 422)["code"] == "invalid_fields"
    assert api.post(path, {"answer": "  "}, 422)["code"] == "invalid_input"
    assert api.post("/decisions/none/answer", {"answer": "x"}, 404)["code"] == "not_found"
    first = api.post(path, {"answer": "SQLite"}, key="once")
    assert api.post(path, {"answer": "SQLite"}, key="once") == first
    assert "SQLite" in api.post(path, {"answer": "PostgreSQL"}, 409)["message"]


def test_the_command_lists_and_names_the_way_out(
    api: Caller, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["decisions"])
    told = capsys.readouterr().out
    assert ended.value.code == 0
    assert "Which database?\n  Options: PostgreSQL, SQLite\n" in told
    assert f"1 to be decided. Answer one: conductor decide {asked['id']} ANSWER" in told
    with pytest.raises(SystemExit) as ended:
        main(["decisions", "--project", "/nowhere"])
    assert ended.value.code != 0
    assert "has never worked on /nowhere" in capsys.readouterr().err
    api.post(f"/decisions/{asked['id']}/answer", {"answer": "SQLite"})
    with pytest.raises(SystemExit):
        main(["decisions"])
    assert capsys.readouterr().out == "Nothing is to be decided.\n"
    with pytest.raises(SystemExit):
        main(["decisions", "--all", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert answer["data"]["items"][0]["answer"] == "SQLite"
