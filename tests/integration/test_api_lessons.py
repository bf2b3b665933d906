"""What agents propose to learn and report, over HTTP and by the CLI: listed, accepted, rejected."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from conductor_app.cli.main import main
from conductor_app.cli.run_report import report_lines
from conductor_app.domain.signals import SignalType
from conductor_app.store import records, signals, tables
from conductor_app.views.lessons import get_lessons, relevant
from tests.api_caller import Caller, calling, repository

Run = Callable[..., str]


@pytest.fixture
def api(home: Path) -> Iterator[Caller]:
    with calling(home) as caller:
        yield caller


@pytest.fixture
def execution(api: Caller, tmp_path: Path) -> Any:
    """With a lesson of Conductor's, two that agents propose, and two signals."""
    started = api.start(repository(tmp_path / "repo"))
    with api.conductor.transaction() as tx:
        for text, status in (("Own", "recorded"), ("Use tabs", "proposed"), ("Hurry", "proposed")):
            records.add_lesson(
                tx, started["id"], "pattern", text, phase=0, agent="models", status=status
            )
        (task,) = tx.all(select(tables.tasks).where(tables.tasks.c.key == "0/types"))
        for type_, title in ((SignalType.INNOVATION, "A cache"), (SignalType.INTEGRATION, "Slack")):
            signals.add(tx, started["project_id"], task, "attempt", type_, title, "It helps.")
    return started


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        told = capsys.readouterr()
        assert ended.value.code == 0, told.err
        return told.out

    return run


def known(api: Caller, **query: Any) -> list[str]:
    return [each["description"] for each in api.get("/lessons", **query)["items"]]


def lesson(api: Caller, text: str) -> Any:
    return next(each for each in api.get("/lessons")["items"] if each["description"] == text)


def told_to_agents(api: Caller, execution: Any) -> list[str]:
    with api.conductor.read() as tx:
        of_agent = relevant(tx, execution["project_id"], "models", 0, 10)
        assert of_agent == get_lessons(tx, execution["project_id"])
    return [each["description"] for each in of_agent]


def test_lessons_are_listed_by_what_became_of_them(api: Caller, execution: Any) -> None:
    assert known(api) == ["Hurry", "Use tabs", "Own"]
    for query, found in (
        ({"status": "proposed"}, ["Hurry", "Use tabs"]),
        ({"status": "recorded"}, ["Own"]),
        ({"status": "accepted"}, []),
        ({"execution": execution["id"]}, ["Hurry", "Use tabs", "Own"]),
        ({"project": execution["project_id"], "agent": "agent-models", "phase": 0}, known(api)),
        ({"agent": "api"}, []),
        ({"category": "failure"}, []),
    ):
        assert known(api, **query) == found
    first = api.get("/lessons", limit=2)
    assert known(api, cursor=first["next_cursor"]) == ["Own"]
    assert api.get("/lessons", 422, status="open")["code"] == "invalid_fields"
    assert api.get("/lessons/none", 404)["code"] == "not_found"
    assert "no execution another" in api.get("/lessons", 404, execution="another")["message"]


def test_agents_are_told_what_was_accepted_and_nothing_else(api: Caller, execution: Any) -> None:
    assert told_to_agents(api, execution) == ["Own"]
    tabs, hurry = lesson(api, "Use tabs"), lesson(api, "Hurry")
    accepted = api.post(f"/lessons/{tabs['id']}/accept", {"reason": "We do"})
    assert (accepted["status"], accepted["reason"]) == ("accepted", "We do")
    assert accepted["decided_by"] == "the API's token" and accepted["decided_at"]
    assert api.get(f"/lessons/{tabs['id']}") == accepted
    api.post(f"/lessons/{hurry['id']}/reject")
    assert told_to_agents(api, execution) == ["Own", "Use tabs"]
    events = api.get(f"/executions/{execution['id']}/events", limit=200)["items"]
    told = {each["type"]: each["payload"] for each in events}
    assert told["lesson.accepted"] == {
        "lesson": tabs["id"],
        "description": "Use tabs",
        "by": "the API's token",
        "reason": "We do",
    }
    assert told["lesson.rejected"]["lesson"] == hurry["id"]


def test_minds_may_be_changed(api: Caller, execution: Any) -> None:
    for text in ("Own", "Hurry"):
        path = f"/lessons/{lesson(api, text)['id']}"
        api.post(f"{path}/reject", {"reason": "Not true"})
        assert text not in told_to_agents(api, execution)
        refused = api.post(f"{path}/reject", None, 409)
        assert refused["message"] == "It is rejected already: Not true"
        api.post(f"{path}/accept")
        assert text in told_to_agents(api, execution)


def test_it_is_decided_once(api: Caller, execution: Any) -> None:
    path = f"/lessons/{lesson(api, 'Hurry')['id']}/accept"
    first = api.post(path, {"reason": "Yes"}, key="once")
    assert api.post(path, {"reason": "Yes"}, key="once") == first
    assert api.post(path, {"reason": "Yes"}, 409)["message"] == "It is accepted already: Yes"
    own = f"/lessons/{lesson(api, 'Own')['id']}/accept"
    assert "Conductor learnt this lesson itself" in api.post(own, {}, 409)["message"]
    assert api.post("/lessons/none/reject", {}, 404)["code"] == "not_found"
    assert api.post(path, {"reason": "x" * 2001}, 422)["code"] == "invalid_fields"


def test_the_beginning_of_its_id_is_enough(api: Caller, execution: Any) -> None:
    with api.conductor.transaction() as tx:
        hurry = tables.lessons.c.description == "Hurry"
        tx.run(tables.lessons.update().where(hurry).values(id=f"01JC2QDEX3{'A' * 16}"))
    assert api.get("/lessons/01JC2QDEX3")["description"] == "Hurry"
    assert api.post("/lessons/01JC2QDEX3/accept")["status"] == "accepted"
    assert api.post("/lessons/01JC2QDEX3/reject")["status"] == "rejected"


def test_a_lesson_of_no_execution_is_told_in_the_projects_stream(
    api: Caller, execution: Any
) -> None:
    found = lesson(api, "Hurry")
    with api.conductor.transaction() as tx:
        tx.run(tables.lessons.update().values(execution_id=None))
    api.post(f"/lessons/{found['id']}/accept")
    with api.conductor.read() as tx:
        (event,) = tx.all(
            select(tables.events).where(
                tables.events.c.stream == f"project:{execution['project_id']}"
            )
        )
    assert (event.type, event.payload["lesson"]) == ("lesson.accepted", found["id"])


def test_signals_the_newest_first(api: Caller, execution: Any) -> None:
    def titles(**query: Any) -> list[str]:
        return [each["title"] for each in api.get("/signals", **query)["items"]]

    assert titles() == ["Slack", "A cache"]
    assert titles(type="innovation") == ["A cache"]
    assert titles(execution=execution["id"], task="0/types") == ["Slack", "A cache"]
    assert titles(task="0/routes") == []
    assert "no execution another" in api.get("/signals", 404, execution="another")["message"]
    assert titles(project=execution["project_id"]) == ["Slack", "A cache"]
    first = api.get("/signals", limit=1)
    assert titles(cursor=first["next_cursor"]) == ["A cache"]
    (told,) = first["items"]
    assert (told["task"], told["agent"], told["detail"]) == ("0/types", "models", "It helps.")
    assert api.get("/signals", 422, type="rumour")["code"] == "invalid_fields"


def test_the_command_lists_lessons_and_names_the_way_out(
    api: Caller, execution: Any, run: Run
) -> None:
    hurry = lesson(api, "Hurry")["id"]
    told = run("lessons")
    assert f"{hurry}  proposed pattern, phase 0 (agent-models):\n  Hurry\n" in told
    assert "  Own\n" in told
    assert f"2 proposed. Decide: conductor lessons accept {hurry}, or conductor" in told
    assert "  Own\n" not in run("lessons", "--proposed")
    api.post(f"/lessons/{hurry}/reject", {"reason": "No"})
    assert "Hurry" not in run("lessons")
    assert "  Hurry\n  Why: No\n" in run("lessons", "--all")
    found = json.loads(run("lessons", "--proposed", "--json", "--execution", execution["id"]))
    assert [each["description"] for each in found["data"]["items"]] == ["Use tabs"]


def test_the_command_ends_with_what_fits_its_list(api: Caller, execution: Any, run: Run) -> None:
    def last(*options: str) -> str:
        return run("lessons", *options).splitlines()[-1]

    assert last("--proposed").startswith("2 proposed. Decide: ")
    for text in ("Hurry", "Use tabs"):
        api.post(f"/lessons/{lesson(api, text)['id']}/reject")
    assert run("lessons", "--proposed") == "No lesson waits for you.\n"
    assert (last(), last("--all")) == ("1 lesson.", "3 lessons.")
    api.post(f"/lessons/{lesson(api, 'Own')['id']}/reject")
    assert run("lessons") == "No lessons.\n"


@pytest.mark.parametrize("name", ["lessons", "signals"])
def test_an_execution_that_is_not_there_is_told(
    execution: Any, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--execution", "another"])
    assert ended.value.code == 1
    assert "no execution ANOTHER" in capsys.readouterr().err


def test_the_command_lists_signals(api: Caller, execution: Any, run: Run) -> None:
    told = run("signals")
    assert f"0/types of {execution['id']} (agent-models):\n  Slack\n  It helps.\n" in told
    assert told.endswith("2 signals.\n")
    found = json.loads(run("signals", "--type", "innovation", "--json"))
    assert [each["title"] for each in found["data"]["items"]] == ["A cache"]
    assert run("signals", "--type", "requirement") == "Nothing was reported.\n"


def test_the_report_names_what_waits(api: Caller, execution: Any, run: Run) -> None:
    told = run("report", "--execution", execution["id"])
    hurry = lesson(api, "Hurry")["id"]
    assert "## Lessons that wait for you" in told
    assert f"*pattern* agent-models: Hurry. Accept it: `conductor lessons accept {hurry}`" in told
    found = json.loads(run("report", "--execution", execution["id"], "--json"))["data"]
    ending = list(report_lines(found, ""))
    assert "Lessons   2 proposed: conductor lessons --proposed" in ending
    assert "Signals   2 reported: conductor signals" in ending
    assert "## Signals\n\n- *innovation* A cache: It helps. (`0/types`, agent-models)" in told
    for text in ("Hurry", "Use tabs"):
        api.post(f"/lessons/{lesson(api, text)['id']}/reject")
    assert "wait for you" not in run("report", "--execution", execution["id"])
