"""One worker process on a real repository, in this interpreter: what its attempts leave behind."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, select

from conductor_app import bootstrap
from conductor_app.cli.demo_repository import create_demo_repository
from conductor_app.engine import projects, start
from conductor_app.queue import MemoryQueue
from conductor_app.settings import Settings
from conductor_app.store import migrations
from conductor_app.store.tables import attempts, tasks
from conductor_app.workflows import loader
from workers.process import WorkerProcess

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
        settings = Settings.load(home, sandbox="unconfined", **chosen)
        migrations.upgrade(settings.database_url)
        self.queue = MemoryQueue()
        self.conductor = bootstrap.connect(settings, self.queue)
        self.process = WorkerProcess(self.conductor, "agent", 2, lambda: ["agent.talker"])
        self.repository = home / "project"
        create_demo_repository(self.repository)

    def run(self, template: str, **wanted: Any) -> str:
        loaded = loader.parse(HEAD + template, "small.yml")
        order = start.Wanted(
            loaded.workflow, loaded.version, "small.yml", loaded.text, inputs={}, **wanted
        )
        with self.conductor.transaction() as tx:
            project = projects.find_or_create(tx, str(self.repository))
            one = start.start(tx, project.id, order)
        while self.queue.hints:
            self.process.carry_out(self.queue.hints.pop(0).links[0])
        return one

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
