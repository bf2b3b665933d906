"""Attempts of a worker with a model at the model server: what makes them stop, and go on again."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, select

from conductor_app.domain.budget import Scope
from conductor_app.domain.budget_names import Name
from conductor_app.engine import decisions, projects, task_control
from conductor_app.engine.budget_control import raise_caps
from conductor_app.engine.explain import why
from conductor_app.store import tables
from conductor_app.views.report import report
from tests.fakes import programs
from tests.fakes.model_server import Ask, Reply, Space, rate_limited, says
from tests.integration.test_mcp_tools import settings
from tests.integration.test_work_in_process import Stage, record
from workers.transcript import read_lines

TEMPLATE = """
  worker: {title: Works, connector: claude, mcp: [small/add]}
phases:
  - number: 0
    name: Only
    tasks:
      - {key: work, title: Work, agent: worker, needs: [], retry: {max: 1, base: 0}}
"""
WRITE = says("I write.", ("write_file", {"path": "one.txt", "content": "1"}))
LOOK = says("I look.", ("run_command", {"command": "cat one.txt"}))
FINISH = says("", ("finish", {"summary": "done"}))


@pytest.fixture
def stage(
    home: Path, model_server: Space, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Stage]]:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", model_server.url("played"))
    made = []

    def make(**chosen: Any) -> Stage:
        made.append(Stage(home, **chosen))
        return made[-1]

    yield make
    for each in made:
        each.process.close()


def attempts(at: Stage) -> list[Row[Any]]:
    with at.conductor.read() as tx:
        return list(tx.all(select(tables.attempts).order_by(tables.attempts.c.number)))


def execution(at: Stage) -> Row[Any]:
    with at.conductor.read() as tx:
        (row,) = tx.all(select(tables.executions))
    return row


def test_the_tools_of_the_projects_servers_are_called(
    stage: Callable[..., Stage], model_server: Space
) -> None:
    heard: list[Ask] = []

    def script(ask: Ask) -> Reply:
        heard.append(ask)
        return (says("", ("mcp__small__add", {"a": 40, "b": 2})), FINISH)[ask.turn - 1]

    model_server.add("played", script=script)
    at = stage()
    with at.conductor.transaction() as tx:
        project = projects.find_or_create(tx, str(at.repository))
        projects.update(tx, project.id, None, settings())
    at.run(TEMPLATE)
    assert [row.status for row in attempts(at)] == ["succeeded"]
    assert "mcp__small__add" in heard[0].tools and "mcp__small__note" not in heard[0].tools
    assert heard[1].results[0].text == "42"


def test_money_that_is_used_up_pauses_and_the_rest_is_done_when_there_is_more(
    stage: Callable[..., Stage], model_server: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that was paid for is paid for twice."""
    model_server.add("played", WRITE, LOOK, FINISH)
    monkeypatch.setenv("CONDUCTOR_CLAUDE_MAX_OUTPUT_TOKENS", "2000")
    # Enough for the worst case of one turn, and not of a second one.
    at = stage()
    one = at.run(TEMPLATE.replace("phases:", "budget: {tokens: 12000}\nphases:"))
    stopped = len(attempts(at))
    assert (execution(at).status, execution(at).reason) == ("paused", "budget_exhausted")
    done = len(model_server.ledger)
    assert 0 < done < 3
    with at.conductor.transaction() as tx:
        name, more = Name(Scope.EXECUTION, one), {"tokens": 1_000_000}
        assert raise_caps(tx, name, at.conductor.daily, more, "It is worth it").going_on == (one,)
    at.work()
    assert execution(at).status == "completed"
    assert [row.status for row in attempts(at)[stopped:]] == ["succeeded"]
    assert len(model_server.ledger) == 3
    assert sum(row.turns for row in attempts(at)) == 3


def test_a_limit_of_the_provider_is_waited_for_and_costs_no_turn(
    stage: Callable[..., Stage], model_server: Space
) -> None:
    model_server.add("played", WRITE, LOOK, FINISH)
    model_server.fail("played", rate_limited(0), 2)
    at = stage()
    at.run(TEMPLATE)
    assert [row.status for row in attempts(at)] == ["suspended", "succeeded"]
    assert [row.turns for row in attempts(at)] == [1, 2]
    assert attempts(at)[0].error_kind == "API_LIMIT"
    assert len(model_server.ledger) == 3


def test_the_call_that_failed_can_be_named_to_the_providers_support(
    stage: Callable[..., Stage], model_server: Space
) -> None:
    """In the report, in what an attempt leaves behind, and in the log."""
    model_server.add("played", WRITE, LOOK, FINISH)
    model_server.fail("played", "400", 2)
    at = stage()
    one = at.run(TEMPLATE)
    failed = next(each for each in model_server.requests if each.status == 400).request_id
    (row,) = attempts(at)
    assert f"(request {failed})" in row.error_message
    with at.conductor.read() as tx:
        (error,) = report(tx, one)["errors"]
        assert failed in error["message"]
        assert failed in why(tx, one, "0/work").sentence
    *_, end = read_lines(at.conductor.settings.places.artifacts / one / row.id)
    assert (end["type"], end["request_id"], end["http_status"]) == ("end", failed, 400)


@pytest.mark.parametrize("how", ["cancelled", "lost"])
def test_a_model_that_is_still_talking_is_not_waited_for(
    stage: Callable[..., Stage],
    model_server: Space,
    wait_until: Callable[..., None],
    how: str,
) -> None:
    """Cancelled, or its job taken over by another worker: the call is dropped, nothing reported."""
    model_server.add("played", WRITE)
    model_server.fail("played", "stall")
    at = stage(heartbeat_seconds=0.05)
    one = at.begin(TEMPLATE)
    with ThreadPoolExecutor(1) as worker:
        working = worker.submit(at.work)
        wait_until(lambda: model_server.requests, what="the model is asked")
        with at.conductor.transaction() as tx:
            if how == "cancelled":
                task_control.cancel(tx, one, "0/work")
            else:
                moved = tables.jobs.update().where(tables.jobs.c.status == "active")
                tx.run(moved.values(fence=tables.jobs.c.fence + 1))
        working.result(20)
    (row,) = attempts(at)
    assert row.status == ("cancelled" if how == "cancelled" else "active")


def test_what_an_agent_leaves_for_people_is_kept_once(
    stage: Callable[..., Stage], model_server: Space
) -> None:
    lesson = ("remember", {"lesson": "Use tabs.", "category": "pattern"})
    signal = ("report_signal", {"type": "quality_issue", "title": "No tests"})
    model_server.add("played", says("", lesson, signal, signal), says("", lesson), FINISH)
    at = stage()
    at.run(TEMPLATE)
    with at.conductor.read() as tx:
        (kept,) = tx.all(select(tables.lessons))
        (told,) = tx.all(select(tables.signals))
    assert (kept.status, kept.description) == ("proposed", "Use tabs.")
    assert (told.type, told.title) == ("quality_issue", "No tests")


def test_a_recording_that_asks_goes_on_with_the_answer(
    stage: Callable[..., Stage], tmp_path: Path
) -> None:
    ask = {"ask": {"question": "Which?"}, "expected": {"contains": ["SQLite"]}}
    written = {"write_file": {"path": "said.txt", "content": "hello"}}
    record(tmp_path, "0/work", written, ask, {"read_file": {"path": "said.txt"}})
    at = stage(recordings=tmp_path)
    at.run(TEMPLATE, connector="replay")
    assert [row.status for row in attempts(at)] == ["suspended"]
    with at.conductor.transaction() as tx:
        (decision,) = tx.all(select(tables.decisions))
        decisions.decide(tx, decision.id, "SQLite")
    at.work()
    assert [(row.status, row.turns) for row in attempts(at)] == [("suspended", 2), ("succeeded", 2)]
    assert execution(at).status == "completed"


# What no database, command line or encoding takes, and models, programs and files have: as the
# JSON of a tool's arguments, as text, and what is kept of it.
ODD, SAID, PLAIN = r"a\u0000b\ud800c", "a\0b", "a\ufffdb\ufffdc"


def test_characters_that_nothing_keeps_hold_nobody_up(
    database_url: str, stage: Callable[..., Stage], model_server: Space
) -> None:
    """A model's own, and a command's, in whatever is told of them to people and other agents."""
    heard: list[Ask] = []
    turns = [
        says("", ("ask", f'{{"question": "{ODD}?"}}')),
        says(
            SAID,
            ("remember", f'{{"lesson": "{ODD}", "category": "pattern"}}'),
            ("report_signal", f'{{"type": "quality_issue", "title": "{ODD}", "detail": "{ODD}"}}'),
            ("run_command", {"command": r"printf 'a\0b'"}),
        ),
        says("", ("finish", f'{{"summary": "{ODD}"}}')),
    ]

    def script(ask: Ask) -> Reply:
        heard.append(ask)
        return turns[ask.turn - 1]

    model_server.add("played", script=script)
    at = stage(database_url=database_url)
    one = at.run(TEMPLATE)
    with at.conductor.transaction() as tx:
        (decision,) = tx.all(select(tables.decisions))
        decisions.decide(tx, decision.id, "yes")
    at.work()
    assert decision.question == f"{PLAIN}?"
    assert [row.status for row in attempts(at)] == ["suspended", "succeeded"]
    assert at.attempts(one)["0/work"].summary == PLAIN
    assert "a\ufffdb" in heard[-1].results[-1].text
    with at.conductor.read() as tx:
        (lesson,) = tx.all(select(tables.lessons))
        (told,) = tx.all(select(tables.signals))
    assert (lesson.description, told.title, told.detail) == (PLAIN, PLAIN, PLAIN)


def test_nor_do_they_in_what_a_program_is_told_of_the_attempt_before(
    database_url: str, home: Path, stage: Callable[..., Stage]
) -> None:
    """On its command line, where NUL would be the end of it."""
    programs.shell(home, r"printf 'a\0b\n'", parser="claude-code")
    at = stage(database_url=database_url)
    at.run(TEMPLATE.replace("claude", "command"))
    assert [row.error_kind for row in attempts(at)] == ["UNREADABLE", "UNREADABLE"]


def test_nor_do_they_in_what_an_attempt_failed_with(
    database_url: str, stage: Callable[..., Stage], model_server: Space
) -> None:
    heard: list[Ask] = []

    def script(ask: Ask) -> Reply:
        heard.append(ask)
        return says(SAID)

    model_server.add("played", script=script)
    at = stage(database_url=database_url)
    at.run(TEMPLATE)
    assert [row.status for row in attempts(at)] == ["failed", "failed"]
    assert "\0" not in attempts(at)[0].error_message
    assert "\0" not in heard[-1].prompt
