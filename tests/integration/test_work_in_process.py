"""One worker process on a real repository, in this interpreter: what its attempts leave behind."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, select

from beat import tick
from conductor_app import bootstrap
from conductor_app.cli.demo_repository import create_demo_repository
from conductor_app.engine import control, projects, start, task_control
from conductor_app.queue import MemoryQueue
from conductor_app.settings import Settings
from conductor_app.store.tables import attempts, errors, executions, jobs, tasks
from conductor_app.views import agents, errors_log
from conductor_app.workflows import loader
from tests.databases import give_schema
from workers import performing, process, system_jobs
from workers.process import WorkerProcess
from workers.sandbox import surroundings

HEAD = """
name: small
title: Small
agents:
  talker: {title: Takes turns}
  looker: {title: Looks, function: "tests.faults.agents:Looks"}
"""


class Stage:
    """A worker that does whatever is queued; recordings lie in the folder of its settings."""

    def __init__(self, home: Path, **chosen: Any) -> None:
        settings = Settings.load(home, **{"sandbox": "unconfined", **chosen})
        give_schema(settings.database_url)
        self.queue = MemoryQueue()
        self.conductor = bootstrap.connect(settings, self.queue)
        self.process = WorkerProcess(self.conductor, "agent", 2, lambda: ["agent.talker"])
        self.repository = home / "project"
        create_demo_repository(self.repository)

    def run(self, template: str, **wanted: Any) -> str:
        one = self.begin(template, **wanted)
        self.work()
        return one

    def begin(self, template: str, **wanted: Any) -> str:
        loaded = loader.parse(HEAD + template, "small.yml")
        wanted = {"inputs": {}, **wanted}
        order = start.Wanted(loaded.workflow, loaded.version, "small.yml", loaded.text, **wanted)
        with self.conductor.transaction() as tx:
            project = projects.find_or_create(tx, str(self.repository))
            return start.start(tx, project.id, order)

    def work(self) -> None:
        while self.queue.hints:
            self.process.carry_out(self.queue.hints.pop(0).links[0])

    def attempts(self, execution_id: str) -> dict[str, Row[Any]]:
        """By task, its last attempt."""
        statement = (
            select(attempts, tasks.c.key, tasks.c.summary)
            .join(tasks, tasks.c.id == attempts.c.task_id)
            .where(attempts.c.execution_id == execution_id)
            .order_by(attempts.c.number)
        )
        with self.conductor.read() as tx:
            return {row.key: row for row in tx.all(statement)}


@pytest.fixture
def stage(home: Path) -> Iterator[Callable[..., Stage]]:
    made = []

    def make(**chosen: Any) -> Stage:
        made.append(Stage(home, **chosen))
        return made[-1]

    yield make
    for each in made:
        each.process.close()


def record(root: Path, task: str, *turns: dict[str, Any]) -> None:
    """Recordings of the workflow `small`: a task's first attempt, by tool calls and results."""
    file = root / "small" / f"{task.replace('/', '-')}.1.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    header = {"type": "recording", "format": 1, "workflow": "small", "task": task, "attempt": 1}
    lines: list[dict[str, Any]] = [{**header, "author": "people"}]
    for number, each in enumerate((*turns, {"finish": {"summary": "done"}}), start=1):
        expected = each.pop("expected", {})
        ((tool, arguments),) = each.items()
        call = {"id": f"c{number}", "name": tool, "arguments": arguments}
        lines.append({"type": "turn", "tool_calls": [call]})
        lines.append({"type": "result", "id": f"c{number}", "ok": True, **expected})
    file.write_text("\n".join(map(json.dumps, lines)))


def test_recordings_of_ones_own_are_played(stage: Callable[..., Stage], tmp_path: Path) -> None:
    record(tmp_path, "0/talk", {"write_file": {"path": "said.txt", "content": "hello"}})
    at = stage(recordings=tmp_path)
    one = at.run(
        """
phases:
  - number: 0
    name: Only
    tasks: [{key: talk, title: Talk, agent: talker, needs: [], produces: [said.txt]}]
"""
    )
    assert at.attempts(one)["0/talk"].status == "succeeded"


SETUP = """
setup: {run: "echo $PPID-$$ >> $CONDUCTOR_ENV/mark", lockfiles: [requirements.txt]}
phases:
  - number: 0
    name: Only
    tasks:
      - {key: lock, title: Lock, agent: talker, needs: []}
      - {key: talk, title: Talk, agent: talker, needs: [lock],
         checks: [{kind: command, name: The same environment, run: "cmp seen $CONDUCTOR_ENV/mark"}]}
"""


@pytest.mark.parametrize("sandbox", ["unconfined", "auto"])
def test_commands_of_agents_find_what_the_setup_prepared(
    stage: Callable[..., Stage], tmp_path: Path, sandbox: str
) -> None:
    """Prepared once, for agents and checks, as soon as there is something to prepare it from."""
    without = {
        "run_command": {"command": "echo [$CONDUCTOR_ENV]"},
        "expected": {"contains": ["[]"]},
    }
    lockfile = {"write_file": {"path": "requirements.txt", "content": "acme"}}
    record(tmp_path, "0/lock", without, lockfile)
    look = 'test "$(command -v python)" = $CONDUCTOR_ENV/bin/python && cp $CONDUCTOR_ENV/mark seen'
    sealed = {"command": "! (echo more >> $CONDUCTOR_ENV/mark)" if sandbox == "auto" else "true"}
    record(tmp_path, "0/talk", {"run_command": {"command": look}}, {"run_command": sealed})
    at = stage(recordings=tmp_path, sandbox=sandbox)
    found = at.attempts(at.run(SETUP))
    assert found["0/talk"].error_message is None
    assert found["0/talk"].status == "succeeded"


def test_a_setup_that_fails_leaves_the_agent_to_mend_it(
    stage: Callable[..., Stage], tmp_path: Path
) -> None:
    record(tmp_path, "0/talk", {"write_file": {"path": "said.txt", "content": "hello"}})
    at = stage(recordings=tmp_path)
    one = at.run(
        """
setup: {run: "false"}
phases:
  - number: 0
    name: Only
    tasks: [{key: talk, title: Talk, agent: talker, needs: []}]
"""
    )
    attempt = at.attempts(one)["0/talk"]
    assert attempt.status == "succeeded"
    log = at.conductor.settings.places.artifacts / one / attempt.id / "log.txt"
    assert "without the project's environment" in log.read_text()


def test_an_attempt_says_what_worked_on_it(stage: Callable[..., Stage]) -> None:
    at = stage()
    one = at.run(
        """
phases:
  - number: 0
    name: Only
    tasks:
      - {key: look, title: Look, agent: looker, needs: [], files: false}
      - {key: talk, title: Talk, agent: talker, needs: [], files: false, retry: {max: 0}}
"""
    )
    found = at.attempts(one)
    assert (found["0/look"].connector, found["0/look"].status) == ("function", "succeeded")
    # Nobody chose one: the worker took the default, and says so.
    assert (found["0/talk"].connector, found["0/talk"].error_kind) == (
        "replay",
        "RECORDING_MISSING",
    )


def test_absent_means_of_a_tasks_check_cost_no_second_turn(
    stage: Callable[..., Stage],
    wait_until: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record(tmp_path, "0/talk", {"write_file": {"path": "said.txt", "content": "hello"}})
    at = stage(recordings=tmp_path)
    one = at.run(
        """
phases:
  - number: 0
    name: Only
    tasks:
      - {key: talk, title: Talk, agent: talker, needs: [],
         checks: [{kind: file, name: It is said, path: said.txt, requires: [acme-judge]}]}
"""
    )
    first = at.attempts(one)["0/talk"]
    assert (first.status, first.turns) == ("released", 2)
    with at.conductor.read() as tx:
        row = tx.first(select(executions).where(executions.c.id == one))
        task = tx.first(select(tasks).where(tasks.c.execution_id == one))
    assert row is not None and (row.status, row.reason) == ("paused", "blocked")
    assert "It is said: acme-judge is not installed on this worker" in row.reason_detail
    assert "`conductor start`" in row.reason_detail
    assert task is not None and (task.status, task.failures) == ("queued", 0)

    program = tmp_path / "bin" / "acme-judge"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setattr(
        surroundings, "SYSTEM_PATH", (str(program.parent), *surroundings.SYSTEM_PATH)
    )
    with at.conductor.transaction() as tx:
        control.resume(tx, one)
    wait_until(lambda: tick.due(at.conductor) or at.queue.hints, what="the next attempt")
    at.work()
    second = at.attempts(one)["0/talk"]
    assert (second.number, second.status, second.turns) == (2, "succeeded", 0)


def test_a_full_disk_pauses_the_run_and_blames_no_agent(stage: Callable[..., Stage]) -> None:
    at = stage()
    one = at.run(
        """
  filler: {title: Fills, function: "tests.faults.agents:FillsTheDisk"}
phases:
  - number: 0
    name: Only
    tasks: [{key: fill, title: Fill, agent: filler, needs: []}]
"""
    )
    assert at.attempts(one)["0/fill"].status == "released"
    with at.conductor.read() as tx:
        row = tx.first(select(executions).where(executions.c.id == one))
    assert row is not None and (row.status, row.reason) == ("paused", "blocked")
    assert "The disk is full" in row.reason_detail and "Way out" in row.reason_detail


def test_whatever_a_job_of_conductors_own_raises_is_told_and_it_waits(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise LookupError("no such thing")

    monkeypatch.setitem(system_jobs.KINDS, "checkpoint", broken)
    at = stage()
    at.run(
        """
phases:
  - number: 0
    name: Only
    tasks: [{key: talk, title: Talk, agent: talker, needs: []}]
"""
    )
    with at.conductor.read() as tx:
        (job,) = tx.all(select(jobs))
        (error,) = tx.all(select(errors))
        assert job.status == "queued" and job.not_before > tx.now
    assert error.message == "The checkpoint job met LookupError: no such thing"


def test_an_agent_is_asked_whether_it_can_do_the_task(stage: Callable[..., Stage]) -> None:
    at = stage()
    one = at.run(
        """
  decliner: {title: Declines, function: "tests.faults.agents:Declines"}
phases:
  - number: 0
    name: Only
    tasks:
      - {key: easy, title: An easy one, agent: decliner, needs: [], files: false}
      - {key: hard, title: A hard one, agent: decliner, needs: [], files: false}
"""
    )
    found = at.attempts(one)
    assert found["0/easy"].status == "succeeded"
    hard = found["0/hard"]
    assert (hard.number, hard.status, hard.error_kind) == (1, "failed", "AGENT_ERROR")
    assert "agent-decliner says that it can't do the task 0/hard" in hard.error_message
    with at.conductor.read() as tx:
        row = tx.first(select(tasks).where(tasks.c.key == "0/hard"))
    assert row is not None and row.status == "failed"


def test_what_an_agent_expects_to_take_is_told_and_kept(stage: Callable[..., Stage]) -> None:
    at = stage()
    one = at.run(
        """
  guesser: {title: Guesses, function: "tests.faults.agents:Guesses"}
phases:
  - number: 0
    name: Only
    tasks:
      - {key: sure, title: "1500", agent: guesser, needs: [], files: false}
      - {key: odd, title: "nan", agent: guesser, needs: [], files: false}
      - {key: mute, title: "soon", agent: guesser, needs: [], files: false}
"""
    )
    found = at.attempts(one)
    assert {each.status for each in found.values()} == {"succeeded"}
    assert {key: row.expected_ms for key, row in found.items()} == {
        "0/sure": 1500,
        "0/odd": None,
        "0/mute": None,
    }
    artifacts = at.conductor.settings.places.artifacts / one
    logs = {key: (artifacts / row.id / "log.txt").read_text() for key, row in found.items()}
    assert logs["0/sure"] == "expects to take 1.5 s\n"
    assert "gave nan, which is no duration" in logs["0/odd"]
    assert "raised ValueError" in logs["0/mute"]


def test_an_agent_that_is_named_as_a_class_says_what_it_can_do_when_it_works(
    stage: Callable[..., Stage],
) -> None:
    at = stage()
    at.run(
        """
  speaker: {title: Speaks, function: "tests.faults.agents:Speaks"}
phases:
  - number: 0
    name: Only
    tasks:
      - {key: a, title: A, agent: speaker, needs: [], files: false}
      - {key: b, title: B, agent: looker, needs: [], files: false}
"""
    )
    with at.conductor.read() as tx:
        shown = {each["name"]: each for each in agents.agents(tx, agents.known(tx))}
    assert shown["speaker"]["skills"] == ["speech"]
    assert shown["looker"]["skills"] == []


def test_where_an_agent_raised_is_shown_to_people(stage: Callable[..., Stage]) -> None:
    at = stage()
    one = at.run(
        """
  raiser: {title: Raises, function: "tests.faults.agents:Raises"}
phases:
  - number: 0
    name: Only
    tasks: [{key: raise, title: Raise, agent: raiser, needs: [], retry: {max: 0}}]
"""
    )
    attempt = at.attempts(one)["0/raise"]
    assert attempt.error_message == "The agent raised ValueError: boom [masked]"
    with at.conductor.read() as tx:
        head, *below = errors_log.text(tx, one).splitlines()
    assert head.endswith("Phase 0 - agent-raiser: The agent raised ValueError: boom [masked]")
    log = at.conductor.settings.places.artifacts / one / attempt.id / "log.txt"
    for told in (below, log.read_text().splitlines()):
        lines = [line.strip() for line in told]
        assert lines[0] == "Traceback (most recent call last):"
        assert [line.split(", in ")[1] for line in lines if line.startswith("File ")] == [
            "perform_task",
            "_look_at",
        ]
        assert lines[-1] == "ValueError: boom [masked]"


CHAIN = """
phases:
  - number: 0
    name: One
    tasks:
      - {key: a, title: A, agent: looker, files: false}
      - {key: b, title: B, agent: looker, files: false, needs: [a]}
      - {key: c, title: C, agent: looker, needs: [b]}
"""


@pytest.mark.parametrize(("quick", "at_once"), [(60.0, 3), (0.0, 1)])
def test_quick_links_of_a_chain_are_done_in_one_delivery(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, quick: float, at_once: int
) -> None:
    monkeypatch.setattr(process, "QUICK", quick)
    one = stage()
    loaded = loader.parse(HEAD + CHAIN, "small.yml")
    order = start.Wanted(loaded.workflow, loaded.version, "small.yml", loaded.text, inputs={})
    with one.conductor.transaction() as tx:
        project = projects.find_or_create(tx, str(one.repository))
        start.start(tx, project.id, order)
    one.process.carry_out(one.queue.hints.pop().links[0])  # the first checkpoint
    [hint] = one.queue.hints
    deliveries, links = 0, list(hint.links)
    assert len(links) == 3
    while links:
        left = list(one.process.carry_out(links[0], links[1:]))
        assert len(links) - len(left) == at_once
        deliveries, links = deliveries + 1, left
    assert deliveries == 3 / at_once
    with one.conductor.read() as tx:
        assert {row.status for row in tx.all(select(tasks.c.status))} == {"completed"}


def test_an_agent_that_overruns_is_timed_out_while_it_still_works(
    stage: Callable[..., Stage],
    wait_until: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(performing, "LEAST_GRACE", 0.1)
    caplog.set_level("INFO", "conductor")
    at = stage(heartbeat_seconds=0.05)
    one = at.begin(
        """
  deaf: {title: Is deaf, function: "tests.faults.agents:HearsNothing"}
inputs: {control: {type: string, required: true}}
phases:
  - number: 0
    name: Only
    tasks: [{key: deaf, title: Deaf, agent: deaf, needs: [], timeout: 1, retry: {max: 0}}]
""",
        inputs={"control": str(tmp_path)},
    )
    with ThreadPoolExecutor(1) as worker:
        working = worker.submit(at.work)
        wait_until(lambda: at.attempts(one) and at.attempts(one)["0/deaf"].status == "failed")
        assert not working.done()
        (tmp_path / "go").touch()
        working.result()
    found = at.attempts(one)["0/deaf"]
    assert (found.status, found.error_kind, found.number) == ("failed", "TIMEOUT", 1)
    assert "not done after 1 s, the task's timeout" in found.error_message
    with at.conductor.read() as tx:
        row = tx.first(select(tasks).where(tasks.c.execution_id == one))
    assert row is not None and (row.status, row.failures) == ("failed", 1)
    log = at.conductor.settings.places.artifacts / one / found.id / "log.txt"
    assert "not done after 1 s" in log.read_text()
    told = caplog.text
    assert "keeps a slot of this worker until its agent ends" in told
    assert "0/deaf has ended after all" in told
    assert "refused" not in told


def test_a_cancelled_attempt_keeps_its_log_and_what_it_used(
    stage: Callable[..., Stage], wait_until: Callable[..., None]
) -> None:
    at = stage(heartbeat_seconds=0.05)
    one = at.begin(
        """
  thinker: {title: Thinks, function: "tests.faults.agents:Thinks"}
phases:
  - number: 0
    name: Only
    tasks: [{key: think, title: Think, agent: thinker, needs: [], files: false}]
"""
    )

    def log() -> str:
        found = at.attempts(one).get("0/think")
        artifacts = at.conductor.settings.places.artifacts / one
        file = artifacts / found.id / "log.txt" if found else artifacts
        return file.read_text() if file.is_file() else ""

    with ThreadPoolExecutor(1) as worker:
        working = worker.submit(at.work)
        wait_until(log)
        with at.conductor.transaction() as tx:
            task_control.cancel(tx, one, "0/think")
        working.result()
    attempt = at.attempts(one)["0/think"]
    assert (attempt.status, log()) == ("cancelled", "I think.\n")
    assert (attempt.turns, attempt.input_tokens, attempt.output_tokens) == (1, 100, 10)


def test_an_agent_that_returns_when_it_is_told_to_stop_has_not_finished(
    stage: Callable[..., Stage], wait_until: Callable[..., None]
) -> None:
    at = stage()
    one = at.begin(
        """
  leaver: {title: Leaves, function: "tests.faults.agents:LeavesHalf"}
phases:
  - number: 0
    name: Only
    tasks: [{key: half, title: Half, agent: leaver, needs: [], files: false}]
"""
    )
    logs = at.conductor.settings.places.artifacts / one
    with ThreadPoolExecutor(1) as worker:
        working = worker.submit(at.work)
        wait_until(lambda: any(file.read_text() for file in logs.glob("*/log.txt")))
        at.process.drain()
        working.result()
    with at.conductor.read() as tx:
        row = tx.first(select(tasks).where(tasks.c.execution_id == one))
    assert row is not None and (row.status, row.failures) == ("queued", 0)
