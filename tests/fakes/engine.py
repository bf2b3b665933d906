"""The engine on a database of its own, with a clock that tests move and a queue in memory."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, select, update

from conductor_app.domain.workflow import Workflow
from conductor_app.engine import control, sweep
from conductor_app.engine.start import Wanted, start
from conductor_app.engine.sweep import Timing
from conductor_app.queue import Hint, MemoryQueue
from conductor_app.store import projects, workers
from conductor_app.store.database import Database, Transaction
from conductor_app.store.tables import (
    events,
    executions,
    jobs,
    milestones,
    phases,
    tasks,
)
from tests.databases import give_schema
from tests.fakes.worker import FakeWorker

SECRET = b"a key for tests"
START = 1_800_000_000_000


class ClockedDatabase(Database):
    """A database whose clock is the test's: it stands until it is moved."""

    clock = START

    def _now(self, connection: object) -> int:
        return self.clock


@dataclass
class Engine:
    """What a test does to the engine and reads of it; `queue` holds what was published."""

    database: Database
    queue: MemoryQueue
    timing: Timing = field(default_factory=Timing)

    def start(
        self, workflow: Workflow, project: str = "demo", folder: str = "/nowhere", **wanted: Any
    ) -> str:
        """Start the workflow in a project of that name (its repository is never looked at)."""
        version = f"version-of-{workflow.model_dump_json()}"
        with self.database.transaction() as tx:
            place = projects.add(tx, project, f"{folder}/{project}")
            return start(tx, place.id, Wanted(workflow, version, "test", "", **wanted))

    def worker(self, **given: Any) -> FakeWorker:
        return FakeWorker(self.database, self.queue, **given)

    def run(self, until: Callable[[], bool] = lambda: False, **given: Any) -> FakeWorker:
        """Deliver what is published until nothing more comes; what is due later stays."""
        worker = self.worker(**given)
        worker.run(until)
        return worker

    @property
    def now(self) -> int:
        """What the test's clock shows, in milliseconds."""
        assert isinstance(self.database, ClockedDatabase)
        return self.database.clock

    def later(self, seconds: float) -> None:
        assert isinstance(self.database, ClockedDatabase), "the real clock is nobody's to move"
        self.database.clock += int(seconds * 1000)

    def tick(self, holder: str = "beat") -> bool:
        return sweep.tick(self.database, holder, self.timing)

    def due(self) -> None:
        sweep.due(self.database)

    def expire_leases(self) -> None:
        """As time goes by: the sweeper keeps in contact, and every lease runs out."""
        self.tick()
        for _ in range(self.timing.lease // self.timing.tick + 2):
            self.later(self.timing.tick / 1000)
            self.tick()

    def register(self, name: str, queues: Sequence[str], slots: int) -> None:
        """Tell of a worker, as real ones do, so that its slots count."""
        with self.database.transaction() as tx:
            workers.register(
                tx, id=name, host="h", pid=1, role="agent", queues=list(queues), slots=slots
            )

    def beat(self, name: str) -> None:
        """The worker is still there."""
        with self.database.transaction() as tx:
            workers.beat(tx, name)

    def do(self, use_case: Any, *arguments: Any, **named: Any) -> Any:
        """Call a use case in a transaction of its own."""
        with self.database.transaction() as tx:
            return use_case(tx, *arguments, **named)

    def resume(self, execution_id: str) -> None:
        self.do(control.resume, execution_id)

    @contextmanager
    def reading(self) -> Iterator[Transaction]:
        with self.database.read() as tx:
            yield tx

    def rows(self, statement: Any) -> Sequence[Row[Any]]:
        with self.database.read() as tx:
            return tx.all(statement)

    def execution(self, execution_id: str) -> Row[Any]:
        return self.rows(select(executions).where(executions.c.id == execution_id))[0]

    def status(self, execution_id: str) -> str:
        return str(self.execution(execution_id).status)

    def task(self, execution_id: str, key: str) -> Row[Any]:
        """The newest generation of a task."""
        of_key = (tasks.c.execution_id == execution_id, tasks.c.key == key, tasks.c.current)
        return self.rows(select(tasks).where(*of_key))[0]

    def states(self, execution_id: str) -> dict[str, str]:
        """By key, the state of every task's newest generation."""
        current = (tasks.c.execution_id == execution_id, tasks.c.current)
        return {row.key: row.status for row in self.rows(select(tasks).where(*current))}

    def phase(self, execution_id: str, number: int) -> Row[Any]:
        wanted = (
            phases.c.execution_id == execution_id,
            phases.c.number == number,
            phases.c.current,
        )
        return self.rows(select(phases).where(*wanted))[0]

    def milestone(self, execution_id: str, key: str) -> Row[Any]:
        wanted = (milestones.c.execution_id == execution_id, milestones.c.key == key)
        return self.rows(select(milestones).where(*wanted, milestones.c.current))[0]

    def job(self, job_id: str) -> Row[Any]:
        return self.rows(select(jobs).where(jobs.c.id == job_id))[0]

    def jobs(self, execution_id: str, kind: str | None = None) -> Sequence[Row[Any]]:
        """All jobs of an execution, in the order in which they came to be."""
        statement = select(jobs).where(jobs.c.execution_id == execution_id).order_by(jobs.c.id)
        return self.rows(statement.where(jobs.c.kind == kind) if kind else statement)

    def events(self, execution_id: str) -> list[str]:
        stream = f"execution:{execution_id}"
        statement = select(events.c.type).where(events.c.stream == stream)
        return [row.type for row in self.rows(statement.order_by(events.c.number))]

    def published(self) -> list[Hint]:
        """What was published since the last look; the messages are lost to everybody else."""
        hints = list(self.queue.hints)
        self.queue.hints.clear()
        return hints

    def change(self, table: Any, condition: Any, **values: Any) -> None:
        """Write a row as nothing in the product would, to see what is made of it."""
        with self.database.transaction() as tx:
            tx.run(update(table).where(condition).values(**values))


@contextmanager
def engine_on(url: str) -> Iterator[Engine]:
    """The engine on this database; a SQLite file that is not there yet is made, with its schema."""
    give_schema(url)
    with opened(url) as engine:
        yield engine


@contextmanager
def opened(url: str) -> Iterator[Engine]:
    """The engine on a database that has its schema."""
    queue = MemoryQueue()
    database = ClockedDatabase(url, SECRET, queue)
    try:
        yield Engine(database, queue)
    finally:
        database.close()


def task(key: str, agent: str = "models", **fields: Any) -> dict[str, Any]:
    """A task that changes no file and needs nothing, unless told otherwise."""
    return {"key": key, "title": key, "agent": agent, "needs": [], "files": False, **fields}


def check(name: str = "it works", **fields: Any) -> dict[str, Any]:
    return {"kind": "command", "name": name, "run": "true", **fields}


def milestone(key: str, *checks: dict[str, Any]) -> dict[str, Any]:
    return {"key": key, "name": key, "checks": list(checks)}


def phase(*tasks_: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"tasks": list(tasks_), **fields}


def workflow(*phases_: dict[str, Any], **fields: Any) -> Workflow:
    numbered = [
        {"number": number, "name": f"Phase {number}", **each} for number, each in enumerate(phases_)
    ]
    return Workflow.model_validate({"name": "w", "title": "W", "phases": numbered, **fields})
