"""A hundred parallel calls at the last per cent of a budget: what is overspent, refused, unused.

python -m tests.benchmarks.budget [--databases sqlite postgresql]

Each call may take the whole of the last per cent, so that only one fits at a time, and uses a
hundredth of it. Beside it: what a reservation and its settlement cost, in empty transactions.
"""

import argparse
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

from sqlalchemy import select

from conductor_app import bootstrap
from conductor_app.domain.budget import Amount, Caps, Daily, of_execution
from conductor_app.engine import budgets as ledger
from conductor_app.engine import claim, start
from conductor_app.engine.budgets import Reserved
from conductor_app.ids import new_id
from conductor_app.queue import MemoryQueue
from conductor_app.settings import Settings
from conductor_app.store import projects, workers
from conductor_app.store.budgets import Spender, Used
from conductor_app.store.migrations import upgrade
from conductor_app.store.tables import budgets
from conductor_app.workflows import loader
from tests.benchmarks import noop, stack

CALLERS = 100
CAP = 1_000_000
LAST = CAP // 100
EACH = LAST // CALLERS
LEASE = 600_000
UNLIMITED = Daily(Caps())
# How long a refused caller waits before it asks again, in seconds: up to this.
PATIENCE = 0.02


@dataclass
class Callers:
    """Calls of all at once; what they were told."""

    conductor: bootstrap.Conductor
    waited: int = 0
    refused_wrongly: int = 0
    seconds: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def call(self, who: Spender, worst: int) -> None:
        began = time.perf_counter()
        while True:
            with self.conductor.transaction() as tx:
                answer = ledger.reserve(tx, new_id(), who, Amount(worst), UNLIMITED)
            if isinstance(answer, Reserved):
                break
            if answer.wait:
                with self.lock:
                    self.waited += 1
                time.sleep(random.uniform(0, PATIENCE))
                continue
            account = answer.account
            with self.lock:
                # For good is only right when it is more than is left with nothing reserved.
                fitted = worst <= CAP - account.spent.tokens
                self.refused_wrongly += bool(fitted or account.reserved.tokens)
            worst = min(worst, answer.left.tokens or 0)
            if worst < EACH:
                return
        with self.conductor.transaction() as tx:
            ledger.settle(tx, answer.id, Used(EACH, 0))
        with self.lock:
            self.seconds.append(time.perf_counter() - began)


def spenders(conductor: bootstrap.Conductor, queue: MemoryQueue) -> list[Spender]:
    """As many attempts at work, in an execution with the cap."""
    text = noop.HEAD.replace("title: Benchmark\n", f"title: Benchmark\nbudget: {{tokens: {CAP}}}\n")
    tasks = "".join(
        f"      - {{key: t{n}, title: T, agent: noop, files: false, needs: []}}\n"
        for n in range(CALLERS)
    )
    loaded = loader.parse(text + tasks, "benchmark.yml")
    wanted = start.Wanted(loaded.workflow, loaded.version, "benchmark.yml", loaded.text)
    with conductor.transaction() as tx:
        queues = ["agent.noop"]
        workers.register(tx, id="w", host="h", pid=1, role="agent", queues=queues, slots=CALLERS)
        project = projects.add(tx, "benchmark", "")
        start.start(tx, project.id, wanted)
    with conductor.transaction() as tx:
        claims = claim.claim(tx, [hint.links[0] for hint in queue.hints], "w", LEASE)
    return [
        Spender(
            *(each.project_id, each.execution_id, each.task_id, each.attempt_id),
            *("noop", "claude", "anthropic", "m"),
        )
        for each in claims.values()
    ]


def milliseconds(what: Callable[[], object], times: int) -> float:
    what()
    began = time.perf_counter()
    for _ in range(times):
        what()
    return (time.perf_counter() - began) / times * 1000


def measure(database: str, opened: ExitStack) -> None:
    place = opened.enter_context(stack.home())
    url = opened.enter_context(stack.postgresql()) if database == "postgresql" else None
    settings = Settings.load(place, **({"database_url": url} if url else {}))
    upgrade(settings.database_url)
    queue = MemoryQueue()
    conductor = opened.enter_context(bootstrap.connected(settings, queue))
    callers = spenders(conductor, queue)
    with conductor.transaction() as tx:
        ledger.record(tx, new_id(), callers[0], Used(CAP - LAST, 0), UNLIMITED)
    _price(database, conductor, callers[0])
    crowd = Callers(conductor)
    gate = threading.Barrier(CALLERS)

    def call(who: Spender) -> None:
        gate.wait()
        crowd.call(who, LAST)

    began = time.perf_counter()
    with ThreadPoolExecutor(CALLERS) as threads:
        list(threads.map(call, callers))
    _tell(database, crowd, callers[0], time.perf_counter() - began)


def _price(database: str, conductor: bootstrap.Conductor, who: Spender) -> None:
    """Of a call by itself, which is refunded so that the last per cent stays whole."""

    def empty() -> None:
        with conductor.transaction() as tx:
            projects.by_id(tx, who.project_id)

    def reserved() -> None:
        with conductor.transaction() as tx:
            answer = ledger.reserve(tx, new_id(), who, Amount(EACH), UNLIMITED)
        assert isinstance(answer, Reserved)
        with conductor.transaction() as tx:
            ledger.release(tx, answer.id)

    nothing, call = milliseconds(empty, 100), milliseconds(reserved, 100)
    print(
        f"{database:11} reserved and given back in {call:.1f} ms: {call / nothing:.1f} times a "
        f"transaction that reads a row ({nothing:.2f} ms)"
    )


def _tell(database: str, crowd: Callers, who: Spender, seconds: float) -> None:
    with crowd.conductor.read() as tx:
        row = tx.first(select(budgets).where(budgets.c.id == of_execution(who.execution_id)))
    assert row is not None
    print(
        f"{database:11} {CALLERS} at once at the last per cent: {len(crowd.seconds)} calls made in "
        f"{seconds:.1f} s ({CALLERS / seconds:.0f} a second), asked again {crowd.waited} times"
    )
    print(
        f"{database:11}   used of the cap {row.tokens_spent / CAP:.6f}, overspent "
        f"{max(0, row.tokens_spent - CAP)}, still reserved {row.tokens_reserved}, refused though "
        f"it fitted {crowd.refused_wrongly}; the slowest call {max(crowd.seconds):.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--databases", nargs="*", default=["sqlite", "postgresql"])
    for database in parser.parse_args().databases:
        with ExitStack() as opened:
            measure(database, opened)


if __name__ == "__main__":
    main()
