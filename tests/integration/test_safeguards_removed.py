"""What the invariants of the suite are worth: with one safeguard removed they say that it is.

Each scenario holds with all safeguards in place, and is noticed without its own.
"""

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import update

from conductor_app.domain.budget import Amount, Caps, Daily
from conductor_app.engine import budgets as ledger
from conductor_app.engine import sweep
from conductor_app.ids import new_id
from conductor_app.store import budgets, hints, jobs, tables
from conductor_app.store.budgets import Spender
from conductor_app.store.database import Transaction
from tests.fakes import invariants
from tests.fakes.engine import Engine, engine_on, phase, task, workflow
from tests.fakes.simulation import HeldJob, Simulation
from tests.fakes.worker import DIES

Patch = pytest.MonkeyPatch
Scenario = Callable[[Engine], None]


@pytest.fixture
def engine(sqlite_url: str) -> Iterator[Engine]:
    with engine_on(sqlite_url) as engine:
        yield engine


# What happens, and by which safeguard it ends well.


def a_late_report(engine: Engine) -> None:
    world = Simulation(engine)
    engine.start(workflow(phase(task("a", files=True))))
    late = next_attempt(world)
    world.lose(late)
    next_attempt(world)
    world.succeed(late)


def a_dead_worker(engine: Engine) -> None:
    engine.start(workflow(phase(task("a"))))
    engine.run(outcomes={"0/a": [DIES]})
    engine.expire_leases()
    engine.run()
    invariants.no_dead_end(engine)


def a_lost_message(engine: Engine) -> None:
    engine.start(workflow(phase(task("a"))))
    engine.register("w1", ["agent.models", "system"], 8)
    engine.published()
    engine.later(31)
    engine.beat("w1")
    engine.tick()
    engine.run()
    invariants.no_dead_end(engine)


def a_tight_budget(engine: Engine) -> None:
    world = Simulation(engine)
    engine.start(workflow(phase(task("a"))))
    claim = next_attempt(world).claim
    who = Spender(
        *(claim.project_id, claim.execution_id, claim.task_id, claim.attempt_id),
        *("models", "claude", "anthropic", "m"),
    )
    for _ in range(3):
        engine.do(ledger.reserve, new_id(), who, Amount(40), Daily(Caps(tokens=100)))


def next_attempt(world: Simulation) -> HeldJob:
    """Everything else goes well until somebody holds an attempt."""
    while True:
        held = world.deliver(world.engine.queue.hints.pop(0))
        assert held is not None
        if held.kind == "attempt":
            return held
        world.succeed(held)


# How each safeguard is removed.


class AnyFence(int):
    """Equal to every other fence."""

    __hash__ = int.__hash__

    def __eq__(self, _other: object) -> bool:
        return True

    def __ne__(self, _other: object) -> bool:
        return False


def without_fence_check(patch: Patch) -> None:
    real = jobs.locked

    def unfenced(tx: Transaction, ids: Any) -> list[SimpleNamespace]:
        rows = [dict(row._mapping) for row in real(tx, ids)]
        return [SimpleNamespace(**{**row, "fence": AnyFence(row["fence"])}) for row in rows]

    patch.setattr(jobs, "locked", unfenced)


def without_lease_expiry(patch: Patch) -> None:
    patch.setattr(sweep, "expire", lambda *_: None)


def without_sending_again(patch: Patch) -> None:
    patch.setattr(hints, "forget_before", lambda *_: None)


def without_budget_predicate(patch: Patch) -> None:
    table = tables.budgets

    def unguarded(tx: Transaction, id_: str, worst: Amount) -> bool:
        more = {"tokens_reserved": table.c.tokens_reserved + worst.tokens}
        return tx.run(update(table).where(table.c.id == id_).values(more)) == 1

    patch.setattr(budgets, "take", unguarded)


SAFEGUARDS = [
    pytest.param(a_late_report, without_fence_check, id="fence"),
    pytest.param(a_dead_worker, without_lease_expiry, id="lease"),
    pytest.param(a_lost_message, without_sending_again, id="hint"),
    pytest.param(a_tight_budget, without_budget_predicate, id="budget"),
]


@pytest.mark.parametrize(("happens", "remove"), SAFEGUARDS)
def test_a_removed_safeguard_is_noticed(
    engine: Engine, monkeypatch: Patch, happens: Scenario, remove: Callable[[Patch], None]
) -> None:
    remove(monkeypatch)
    with pytest.raises(AssertionError):
        judged(engine, happens)


@pytest.mark.parametrize("happens", [each.values[0] for each in SAFEGUARDS])
def test_with_all_safeguards_everything_holds(engine: Engine, happens: Scenario) -> None:
    judged(engine, happens)


def judged(engine: Engine, happens: Scenario) -> None:
    happens(engine)
    invariants.hold(engine)
