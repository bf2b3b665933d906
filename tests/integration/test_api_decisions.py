"""What agents ask, over HTTP and by the CLI: listed, read, answered once; then the task goes on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from conductor_app.cli.main import main
from conductor_app.domain.outcome import Question, Suspended
from conductor_app.engine import working_time
from conductor_app.store import executions
from conductor_app.store.tables import decisions
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
        ({"project": asked["project_id"]}, 1),
    ):
        assert len(api.get("/decisions", **query)["items"]) == found
    assert api.get("/decisions/none", 404)["code"] == "not_found"
    assert "no execution another" in api.get("/decisions", 404, execution="another")["message"]
    assert api.get("/decisions", 422, status="open")["code"] == "invalid_fields"


def test_the_beginning_of_its_id_is_enough_where_it_is_the_only_one(
    api: Caller, asked: dict[str, Any]
) -> None:
    short, other = asked["id"][:10], f"{asked['id'][:10]}ZZZZZZZZZZZZZZZZ"
    assert api.get(f"/decisions/{short}") == asked
    assert api.get(f"/decisions/{asked['id'][:5]}", 404)["code"] == "not_found"
    with api.conductor.transaction() as tx:
        row = dict(tx.all(select(decisions))[0]._mapping)
        tx.run(insert(decisions), {**row, "id": other, "call_id": "c2"})
    told = api.post(f"/decisions/{short}/answer", {"answer": "SQLite"}, 409)
    assert told["code"] == "ambiguous"
    assert f"begin with {short}, such as {asked['id']}, {other}." in told["message"]
    api.post(f"/decisions/{asked['id']}/answer", {"answer": "SQLite"})
    assert api.get(f"/decisions/{other}")["status"] == "pending"


def test_an_answer_lets_the_task_go_on(api: Caller, asked: dict[str, Any]) -> None:
    told = api.post(f"/decisions/{asked['id']}/answer", {"answer": "sqlite"})
    assert (told["status"], told["answer"]) == ("answered", "SQLite")
    api.work()
    assert api.get(f"/executions/{asked['execution_id']}")["status"] == "completed"


def test_during_a_pause_the_answer_says_that_the_task_waits_for_its_end(
    api: Caller, asked: dict[str, Any]
) -> None:
    api.post(f"/executions/{asked['execution_id']}/pause")
    told = api.send("POST", f"/decisions/{asked['id']}/answer", {"answer": "SQLite"}).get_json()
    assert told["message"] == (
        "Decided: SQLite. Task 0/types goes on when the execution does: `conductor start`"
    )


def test_what_has_to_be_mended_first_is_not_just_started(
    api: Caller, asked: dict[str, Any]
) -> None:
    with api.conductor.transaction() as tx:
        execution = executions.lock(tx, asked["execution_id"])
        assert execution is not None
        working_time.pause(tx, execution, "All of its budget is spent.")
    told = api.send("POST", f"/decisions/{asked['id']}/answer", {"answer": "SQLite"}).get_json()
    assert "when the execution does: `conductor status` says why it is paused" in told["message"]


def test_it_is_answered_once_by_somebody_who_means_it(api: Caller, asked: dict[str, Any]) -> None:
    path = f"/decisions/{asked['id']}/answer"
    assert "PostgreSQL, SQLite" in api.post(path, {"answer": "Oracle"}, 422)["message"]
    for nothing in ("", "  "):
        assert api.post(path, {"answer": nothing}, 422)["message"] == "An answer can't be empty."
    assert api.post("/decisions/none/answer", {"answer": "x"}, 404)["code"] == "not_found"
    first = api.post(path, {"answer": "SQLite"}, key="once")
    assert api.post(path, {"answer": "SQLite"}, key="once") == first
    assert "SQLite" in api.post(path, {"answer": "PostgreSQL"}, 409)["message"]


def test_one_that_nobody_waits_for_is_withdrawn(
    api: Caller, asked: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    api.post(f"/executions/{asked['execution_id']}/cancel")
    assert api.get("/decisions", status="pending")["items"] == []
    (found,) = api.get("/decisions", status="withdrawn")["items"]
    assert (found["id"], found["answer"]) == (asked["id"], None)
    path = f"/decisions/{asked['id']}/answer"
    assert "Nobody waits" in api.post(path, {"answer": "SQLite"}, 409)["message"]
    with pytest.raises(SystemExit):
        main(["decisions"])
    assert capsys.readouterr().out == "Nothing is to be decided.\n"
    with pytest.raises(SystemExit):
        main(["decisions", "--all"])
    assert "\n  Withdrawn: its task ended, or began anew" in capsys.readouterr().out


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
    with pytest.raises(SystemExit) as ended:
        main(["decisions", "--execution", "another"])
    assert ended.value.code == 1
    assert "no execution ANOTHER" in capsys.readouterr().err
    api.post(f"/decisions/{asked['id']}/answer", {"answer": "SQLite"})
    with pytest.raises(SystemExit):
        main(["decisions"])
    assert capsys.readouterr().out == "Nothing is to be decided.\n"
    with pytest.raises(SystemExit):
        main(["decisions", "--all", "--json"])
    answer = json.loads(capsys.readouterr().out)
    assert answer["data"]["items"][0]["answer"] == "SQLite"
