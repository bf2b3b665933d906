"""No-op tasks per second and milliseconds per step, beside Celery's own canvas on the same Redis.

python -m tests.benchmarks.throughput [--tasks 2000] [--steps 500] [--rounds 3]
"""

import argparse
import statistics
import time
from collections.abc import Callable

from celery import Celery, chain, group

from conductor_app import bootstrap
from conductor_app.engine import start
from conductor_app.settings import Settings
from conductor_app.store import projects
from conductor_app.store.tables import executions
from tests.benchmarks import noop, stack

OURS = (
    ("-P", "-m", "workers", "agent", "--queues", "agent.noop", "--slots", "32"),
    ("-P", "-m", "workers", "agent", "--queues", "agent.noop", "--slots", "32"),
)


def conductor_seconds(conductor: bootstrap.Conductor, needs: list[list[int]]) -> float:
    """From the call that starts the execution to its completed row."""
    loaded = noop.workflow(needs)
    wanted = start.Wanted(loaded.workflow, loaded.version, "benchmark.yml", loaded.text)
    began = time.perf_counter()
    with conductor.transaction() as tx:
        project = projects.add(tx, "benchmark", "")
        id_ = start.start(tx, project.id, wanted)
    stack.wait_until(lambda: _status(conductor, id_) == "completed", 300, "The end")
    return time.perf_counter() - began


def _status(conductor: bootstrap.Conductor, id_: str) -> str:
    with conductor.read() as tx:
        return str(
            tx.value(
                executions.select()
                .with_only_columns(executions.c.status)
                .where(executions.c.id == id_)
            )
        )


def canvas_app(url: str, results: str) -> Celery:
    app = Celery("canvas", broker=url, backend=results, set_as_current=False)
    app.conf.update(worker_prefetch_multiplier=1, result_expires=600)
    return app


def measure(rounds: int, run: Callable[[], float]) -> float:
    return statistics.median(run() for _ in range(rounds))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--databases", nargs="*", default=["sqlite", "postgresql"])
    chosen = parser.parse_args()
    canvas_rate, canvas_step = canvas(chosen.tasks, chosen.steps, chosen.rounds)
    print(f"celery canvas    {canvas_rate:8.0f} tasks/s   {canvas_step:6.2f} ms/step")
    for database in chosen.databases:
        with stack.conductor(database, OURS) as conductor:
            conductor_seconds(conductor, noop.fan_out(100))
            rate = chosen.tasks / measure(
                chosen.rounds, lambda: conductor_seconds(conductor, noop.fan_out(chosen.tasks))
            )
            step = (
                measure(
                    chosen.rounds, lambda: conductor_seconds(conductor, noop.chain(chosen.steps))
                )
                / chosen.steps
                * 1000
            )
        print(
            f"{database:16} {rate:8.0f} tasks/s   {step:6.2f} ms/step"
            f"   ratio {rate / canvas_rate:.2f}, {step / canvas_step:.2f}"
        )


def canvas(tasks: int, steps: int, rounds: int) -> tuple[float, float]:
    """Celery's own: a group and a chain of no-ops, prefork on two processes, results in Redis."""
    with stack.home() as home:
        settings = Settings.load(home)
        with stack.redis(settings):
            results = settings.redis_client_url.replace("unix://", "socket://")
            results = results.replace("?db=0", "?virtual_host=0")
            environment = {
                "CANVAS_BROKER": settings.celery_broker_url,
                "CANVAS_RESULTS": f"redis+{results}",
            }
            worker = [
                (
                    "-m",
                    "celery",
                    "-A",
                    "tests.benchmarks.canvas",
                    "worker",
                    "-P",
                    "prefork",
                    "-c",
                    "2",
                    "--without-gossip",
                    "--without-mingle",
                    "-l",
                    "ERROR",
                )
            ]
            with stack.processes(worker, environment):
                app = canvas_app(environment["CANVAS_BROKER"], environment["CANVAS_RESULTS"])
                step = app.signature("canvas.noop", immutable=True)
                _run(group([step]), 1)
                wide = measure(
                    rounds, lambda: _run(group([step.clone() for _ in range(tasks)]), tasks)
                )
                deep = measure(
                    rounds, lambda: _run(chain(*[step.clone() for _ in range(steps)]), steps)
                )
    return tasks / wide, deep / steps * 1000


def _run(work: object, count: int) -> float:
    began = time.perf_counter()
    work.apply_async().get(timeout=300)  # type: ignore[attr-defined]
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
