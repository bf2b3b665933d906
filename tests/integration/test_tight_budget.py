"""A hundred executions on one tight budget: everybody gets through, and no token is overspent."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from sqlalchemy import select

from conductor_app.domain.budget import Amount, Caps, Daily, Scope
from conductor_app.domain.outcome import Suspended
from conductor_app.engine import budgets as ledger
from conductor_app.engine.budgets import Reserved
from conductor_app.ids import new_id
from conductor_app.queue import SYSTEM_QUEUE, agent_queue
from conductor_app.store.budgets import Spender, Used
from conductor_app.store.tables import budgets, executions
from tests.fakes import invariants
from tests.fakes.engine import Engine, engine_on, phase, task, workflow
from tests.fakes.simulation import HeldJob, Simulation

EXECUTIONS = 100
SLOTS = 16
# What a call may take and what it takes in the end: an eighth, as pessimistic as real ones are.
WORST, ACTUAL = 40, 5
DAILY = Daily(Caps(tokens=EXECUTIONS * ACTUAL))
WAIT = Suspended("BUDGET_EXHAUSTED", "Others have reserved it.", 2.0, bounded=False)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine
        invariants.hold(engine)


@dataclass
class Crowd:
    """Workers whose attempts call a model once, and hold no slot while they wait for money."""

    engine: Engine
    world: Simulation
    calls: dict[str, str] = field(default_factory=dict)
    waits: Counter[str] = field(default_factory=Counter)

    def step(self) -> None:
        """Take what is published, reserve for it, let the oldest call come to its end."""
        while len(self.world.held) < SLOTS and self.engine.queue.hints:
            self.world.deliver(self.engine.queue.hints.pop(0))
        for held in self.world.held[:]:
            if held.kind != "attempt":
                self.world.succeed(held)
            elif held.attempt_id not in self.calls:
                self._call(held)
        calling = [held for held in self.world.held if held.attempt_id in self.calls]
        for held in calling[:2]:
            self.engine.do(ledger.settle, self.calls[held.attempt_id], Used(ACTUAL, 0))
            self.world.succeed(held)
        self.engine.later(1)
        self.engine.beat("worker")
        self.engine.due()

    def _call(self, held: HeldJob) -> None:
        claim = held.claim
        who = Spender(
            *(claim.project_id, claim.execution_id, claim.task_id, claim.attempt_id),
            *("models", "claude", "anthropic", "m"),
        )
        answer = self.engine.do(ledger.reserve, new_id(), who, Amount(WORST), DAILY)
        if not isinstance(answer, Reserved) and not answer.wait:
            # Nobody holds anything: what is left is little, and it is enough.
            assert answer.left.tokens >= ACTUAL
            answer = self.engine.do(
                ledger.reserve, new_id(), who, Amount(answer.left.tokens), DAILY
            )
        if isinstance(answer, Reserved):
            self.calls[held.attempt_id] = answer.id
        else:
            self.waits[claim.execution_id] += 1
            self.world.report(held, WAIT)


def test_nobody_starves(engine: Engine) -> None:
    engine.register("worker", [agent_queue("models"), SYSTEM_QUEUE], SLOTS)
    for _ in range(EXECUTIONS):
        engine.start(workflow(phase(task("a"))))
    crowd = Crowd(engine, Simulation(engine))
    done = select(executions.c.id).where(executions.c.status == "completed")
    steps = 0
    while len(engine.rows(done)) < EXECUTIONS and steps < 10 * EXECUTIONS:
        crowd.step()
        steps += 1
    assert len(engine.rows(done)) == EXECUTIONS, f"after {steps} steps"
    day = engine.rows(select(budgets).where(budgets.c.kind == Scope.INSTALLATION_DAY))[0]
    assert (day.tokens_spent, day.tokens_reserved) == (EXECUTIONS * ACTUAL, 0)
    # It was tight, and whoever waited had not to wait again and again.
    assert crowd.waits
    assert max(crowd.waits.values()) < 20, crowd.waits.most_common(5)
