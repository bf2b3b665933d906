"""Several workers, sweepers and people at once, on several executions: no deadlock, no loss."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import select

from conductor_app.domain.outcome import Failed, Judged, Outcome, Released
from conductor_app.domain.workflow import Workflow
from conductor_app.engine import control, heartbeat, sweep, task_control
from conductor_app.engine.claim import Claim
from conductor_app.errors import Refused
from conductor_app.queue import SYSTEM_QUEUE
from conductor_app.store.database import Database
from conductor_app.store.tables import executions, tasks
from tests.fakes import invariants
from tests.fakes.engine import Engine, check, engine_on, milestone, phase, task, workflow
from tests.fakes.worker import FakeWorker

EXECUTIONS = 4
WORKERS = 4
QUEUES = ["agent.models", "agent.api", SYSTEM_QUEUE]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as opened:
        yield opened


def flow() -> Workflow:
    tasks_ = [task(f"a{n}", milestone="m", files=n == 0, retry={"base": 0}) for n in range(4)]
    followers = [task(f"b{n}", "api", needs=[f"a{n}", "a0"], files=n == 1) for n in range(4)]
    return workflow(
        phase(*tasks_, *followers, milestones=[milestone("m", check())], exit_criteria=[check()]),
        phase(*(task(f"c{n}", needs=[f"0/b{n}"], retry={"base": 0}) for n in range(4))),
        concurrency=4,
    )


class Crowd:
    """Threads that each do their part until everything is done or the time is up."""

    def __init__(self, engine: Engine, database: Database) -> None:
        self.engine = engine
        self.database = database
        self.over = threading.Event()

    def worker(self, number: int) -> None:
        chance = random.Random(number)
        worker = FakeWorker(self.database, self.engine.queue, name=f"w{number}")
        while not self.over.is_set():
            try:
                hint = self.engine.queue.hints.pop(0)
            except IndexError:
                time.sleep(0.005)
                continue
            if chance.random() < 0.1:
                self.engine.queue.hints.append(hint)
            taken = worker.claim(hint.links[0])
            if taken is None:
                continue
            self.pulse(f"w{number}", taken)
            rest = hint.links[1:]
            outcome = unlucky(chance, taken) or worker._success(taken)
            if worker.report(taken, outcome, rest[0] if rest else None).chain:
                self.engine.queue.hints.append(type(hint)(hint.queue, hint.priority, rest))

    def pulse(self, name: str, taken: Claim) -> None:
        with self.database.transaction() as tx:
            heartbeat.pulse(tx, name, [taken.job_id], QUEUES, 30_000)

    def sweeper(self, number: int) -> None:
        timing = sweep.Timing(tick=20, lease=30_000, hint_lost=50)
        while not self.over.wait(0.02):
            sweep.tick(self.database, f"beat-{number}", timing)

    def person(self, execution_id: str) -> None:
        """Pauses and goes on, retries what failed, again and again."""
        while not self.over.wait(0.05):
            with self.database.transaction() as tx:
                stuck = [
                    row.key
                    for row in tx.all(
                        select(tasks).where(
                            tasks.c.execution_id == execution_id,
                            tasks.c.current,
                            tasks.c.status == "failed",
                        )
                    )
                ]
            for use_case, *more in [
                *((task_control.retry, key) for key in stuck),
                (control.pause,),
                (control.resume,),
            ]:
                try:
                    with self.database.transaction() as tx:
                        use_case(tx, execution_id, *more)
                except Refused:
                    continue

    def watch(self, seconds: float, broken: Callable[[], bool]) -> bool:
        """Whether everything completed in time and before a part of it broke."""
        until = time.monotonic() + seconds
        statement = select(executions.c.id).where(executions.c.status != "completed")
        while time.monotonic() < until and not broken():
            if not self.engine.rows(statement):
                return True
            time.sleep(0.02)
        return False


def unlucky(chance: random.Random, taken: Claim) -> Outcome | None:
    if chance.random() > 0.15:
        return None
    match taken.kind:
        case "attempt":
            return chance.choice([Failed("TIMEOUT", "slow"), Released()])
        case "check":
            return Judged((), taken.tip)
        case _:
            return None


def test_everything_ends_and_every_invariant_holds(engine: Engine) -> None:
    """On the real clock; a deadlock or an unexpected refusal in any thread fails the test."""
    database = Database(engine.database.url, b"a key for tests", engine.queue, pool_size=16)
    real = Engine(database, engine.queue)
    for number in range(WORKERS):
        real.register(f"w{number}", QUEUES, slots=2)
    ids = [real.start(flow(), project=f"p{n}") for n in range(EXECUTIONS)]
    crowd = Crowd(real, database)
    parts = [
        *((crowd.worker, number) for number in range(WORKERS)),
        *((crowd.sweeper, number) for number in range(2)),
        *((crowd.person, id_) for id_ in ids[:2]),
    ]
    with ThreadPoolExecutor(len(parts)) as pool:
        done = [pool.submit(part, what) for part, what in parts]  # type: ignore[arg-type]
        finished = crowd.watch(30, lambda: any(each.done() for each in done))
        crowd.over.set()
    for each in done:
        each.result()
    assert finished, [tuple(row) for row in real.rows(select(executions.c.status))]
    invariants.hold(real)
    database.close()


def test_two_that_start_the_same_workflow_at_once(engine: Engine) -> None:
    """The version is kept once, the lease is made once; nobody fails for the other's sake."""
    with ThreadPoolExecutor(4) as pool:
        started = [pool.submit(engine.start, flow(), f"p{n}") for n in range(4)]
        ticked = [pool.submit(engine.tick, f"beat-{n}") for n in range(4)]
    assert len({each.result() for each in started}) == 4
    assert sum(bool(each.result()) for each in ticked) == 1
