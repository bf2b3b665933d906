"""What a tick costs: on a graph of 10,000 tasks, and beside a million that are finished.

python -m tests.benchmarks.tick [--finished 1000000] [--databases sqlite postgresql]
"""

import argparse
import os
import statistics
import time
from contextlib import ExitStack

import psutil
from sqlalchemy import insert, text

from beat import tick
from conductor_app import bootstrap
from conductor_app.domain.outcome import Report, Succeeded
from conductor_app.engine import claim, report, start
from conductor_app.ids import new_id
from conductor_app.queue import MemoryQueue
from conductor_app.settings import Settings
from conductor_app.store import projects, workers
from conductor_app.store.database import Transaction
from conductor_app.store.migrations import upgrade
from conductor_app.store.tables import attempts, executions, jobs, phases, tasks
from tests.benchmarks import noop, stack

TASKS_OF_A_FINISHED_EXECUTION = 1000
LEASE = 60_000


def begin(conductor: bootstrap.Conductor, needs: list[list[int]]) -> str:
    loaded = noop.workflow(needs)
    wanted = start.Wanted(loaded.workflow, loaded.version, "benchmark.yml", loaded.text)
    with conductor.transaction() as tx:
        project = projects.add(tx, "benchmark", "")
        return start.start(tx, project.id, wanted)


def seconds_of_a_tick(conductor: bootstrap.Conductor, ticks: int = 15) -> float:
    """The median, after one that warms the caches."""
    times = []
    for _ in range(ticks + 1):
        began = time.perf_counter()
        tick.tick(conductor, "benchmark")
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def finish(tx: Transaction, template: str, count: int) -> None:
    """Add finished executions: copies of one, with so many completed tasks in all."""
    row = tx.first(executions.select().where(executions.c.id == template))
    assert row is not None
    common = dict(row._mapping) | {"status": "completed", "finished_at": tx.now}
    for _ in range(count // TASKS_OF_A_FINISHED_EXECUTION):
        id_ = new_id()
        tx.run(insert(executions), common | {"id": id_, "branch": id_})
        ids = [new_id() for _ in range(TASKS_OF_A_FINISHED_EXECUTION)]
        tx.run(insert(tasks), [_task(tx, id_, task, n) for n, task in enumerate(ids)])
        tx.run(insert(jobs), [_job(tx, id_, task) for task in ids])
        tx.run(insert(attempts), [_attempt(tx, id_, task) for task in ids])


def _task(tx: Transaction, execution: str, id_: str, number: int) -> dict[str, object]:
    return {
        "id": id_,
        "execution_id": execution,
        "key": f"0/t{number}",
        "generation": 1,
        "current": True,
        "phase": 0,
        "agent": "noop",
        "title": "done",
        "status": "completed",
        "priority": 600,
        "position": number,
        "files": False,
        "needs_left": 0,
        "notes": [],
        "created_at": tx.now,
        "finished_at": tx.now,
    }


def _job(tx: Transaction, execution: str, task: str) -> dict[str, object]:
    return {
        "id": task,
        "kind": "attempt",
        "execution_id": execution,
        "task_id": task,
        "queue": "agent.noop",
        "status": "succeeded",
        "priority": 600,
        "payload": {},
        "created_at": tx.now,
        "finished_at": tx.now,
    }


def _attempt(tx: Transaction, execution: str, task: str) -> dict[str, object]:
    return {
        "id": new_id(),
        "execution_id": execution,
        "task_id": task,
        "number": 1,
        "round": 1,
        "fence": 1,
        "worker_id": "w",
        "status": "succeeded",
        "started_at": tx.now,
        "finished_at": tx.now,
    }


def work(conductor: bootstrap.Conductor, queue: MemoryQueue, most: int) -> int:
    """Carry out up to so many tasks in this process, as a worker with 64 slots would."""
    done = 0
    while done < most and queue.hints:
        ids = [hint.links[0] for hint in queue.hints[:64]]
        del queue.hints[:64]
        with conductor.transaction() as tx:
            claims = claim.claim(tx, ids, "w", LEASE)
        with conductor.transaction() as tx:
            report.report(
                tx,
                [
                    Report(each.job_id, each.fence, Succeeded(), each.attempt_id)
                    for each in claims.values()
                ],
                LEASE,
            )
        done += len(claims)
    return done


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--finished", type=int, default=1_000_000)
    parser.add_argument("--databases", nargs="*", default=["sqlite", "postgresql"])
    chosen = parser.parse_args()
    for database in chosen.databases:
        with ExitStack() as opened:
            _measure(database, opened, chosen.finished)


def _measure(database: str, opened: ExitStack, finished: int) -> None:
    place = opened.enter_context(stack.home())
    url = opened.enter_context(stack.postgresql()) if database == "postgresql" else None
    settings = Settings.load(place, **({"database_url": url} if url else {}))
    upgrade(settings.database_url)
    queue = MemoryQueue()
    conductor = opened.enter_context(bootstrap.connected(settings, queue))
    with conductor.transaction() as tx:
        workers.register(tx, id="w", host="h", pid=1, role="agent", queues=["agent.noop"], slots=64)
    for name, needs in (
        ("10,000 tasks, wide", noop.fan_out(10_000)),
        ("10,000 tasks, deep", noop.layers(20, 500)),
    ):
        id_ = begin(conductor, needs)
        print(f"{database:11} {name}: a tick takes {seconds_of_a_tick(conductor):.3f} s")
        _memory(database, conductor, queue)
        with conductor.transaction() as tx:
            tx.run(
                executions.update()
                .where(executions.c.id == id_)
                .values(status="cancelled", finished_at=1)
            )
        queue.hints.clear()
    _history(database, conductor, finished)


def _memory(database: str, conductor: bootstrap.Conductor, queue: MemoryQueue) -> None:
    """How much this process grows by finished task, once its caches are warm."""
    work(conductor, queue, 1000)
    process = psutil.Process()
    before = process.memory_info().rss
    done = work(conductor, queue, 5000)
    grown = process.memory_info().rss - before
    if done:
        print(f"{database:11}   {done} tasks more: {grown / done:.0f} bytes a finished task")


def _history(database: str, conductor: bootstrap.Conductor, finished: int) -> None:
    small = 10_000
    id_ = begin(conductor, noop.fan_out(200))
    with conductor.transaction() as tx:
        finish(tx, id_, small)
    few = seconds_of_a_tick(conductor)
    for _ in range((finished - small) // 50_000 + 1):
        with conductor.transaction() as tx:
            finish(tx, id_, 50_000)
    if database == "postgresql":
        with conductor.transaction() as tx:
            for table in (tasks, jobs, attempts, executions, phases):
                tx.run(text(f"ANALYZE {table.name}"))
    # What the kernel still has to write of them is not the tick's.
    os.sync()
    many = seconds_of_a_tick(conductor)
    print(
        f"{database:11} a tick beside {small:,} finished tasks {few * 1000:.1f} ms, "
        f"beside {finished:,} {many * 1000:.1f} ms: ratio {many / few:.2f}"
    )


if __name__ == "__main__":
    main()
