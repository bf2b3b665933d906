"""The ledger on both databases: no cap is passed, all of it can be used, nothing stays reserved."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from conductor_app.domain.budget import (
    NANO,
    Amount,
    Basis,
    Caps,
    Daily,
    Left,
    Refused,
    Scope,
    of_execution,
    of_task,
)
from conductor_app.engine import budgets as ledger
from conductor_app.engine.budgets import AttemptEnded, PriceUnknown, Reserved
from conductor_app.ids import new_id
from conductor_app.store.budgets import Spender, Used
from conductor_app.store.tables import attempts, budgets, usage
from tests.fakes import invariants
from tests.fakes.engine import Engine, engine_on, phase, task, workflow
from tests.fakes.worker import DIES

UNLIMITED = Daily(Caps())


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine
        invariants.hold(engine)


def spender(engine: Engine, **fields: Any) -> Spender:
    """Of an attempt that has begun."""
    given = {"budget": {"tokens": 1000}, "task": {}, **fields}
    engine.start(workflow(phase(task("a", budget=given["task"])), budget=given["budget"]))
    engine.run(outcomes={"0/a": [DIES]})
    row = engine.rows(select(attempts).where(attempts.c.status == "active"))[0]
    project = engine.execution(row.execution_id).project_id
    return Spender(
        project, row.execution_id, row.task_id, row.id, "models", "claude", "anthropic", "m"
    )


def reserve(
    engine: Engine, who: Spender, worst: Amount, daily: Daily = UNLIMITED, **named: Any
) -> Reserved | Refused:
    found: Reserved | Refused = engine.do(ledger.reserve, new_id(), who, worst, daily, **named)
    return found


def standing(engine: Engine, id_: str) -> tuple[Amount, Amount]:
    """What is spent and what is reserved."""
    row = engine.rows(select(budgets).where(budgets.c.id == id_))[0]
    return (
        Amount(row.tokens_spent, row.nano_usd_spent),
        Amount(row.tokens_reserved, row.nano_usd_reserved),
    )


def test_a_call_is_reserved_everywhere_and_settled_everywhere(engine: Engine) -> None:
    who = spender(engine)
    reserved = reserve(engine, who, Amount(100, 7))
    assert isinstance(reserved, Reserved)
    ids = [row.id for row in engine.rows(select(budgets).order_by(budgets.c.kind))]
    assert len(ids) == 4
    assert {standing(engine, id_) for id_ in ids} == {(Amount(), Amount(100, 7))}
    engine.do(ledger.settle, reserved.id, Used(40, 3, request_id="r", price_date="2027-01-15"))
    assert {standing(engine, id_) for id_ in ids} == {(Amount(40, 3), Amount())}
    row = engine.rows(select(usage))[0]
    assert (row.tokens, row.nano_usd, row.basis, row.request_id) == (40, 3, "reported", "r")
    # A second settlement is nobody's.
    engine.do(ledger.settle, reserved.id, None)
    assert {standing(engine, id_) for id_ in ids} == {(Amount(40, 3), Amount())}


def test_an_unknown_outcome_is_the_worst_case_and_a_refused_call_is_nothing(
    engine: Engine,
) -> None:
    who = spender(engine)
    lost, unspent = (reserve(engine, who, Amount(100, 7)) for _ in range(2))
    assert isinstance(lost, Reserved)
    assert isinstance(unspent, Reserved)
    engine.do(ledger.settle, lost.id, None)
    engine.do(ledger.release, unspent.id)
    assert standing(engine, of_execution(who.execution_id)) == (Amount(100, 7), Amount())
    assert [row.basis for row in engine.rows(select(usage))] == [Basis.ASSUMED]


def test_what_is_refused_says_whether_to_wait_or_how_much_is_left(engine: Engine) -> None:
    who = spender(engine)
    first = reserve(engine, who, Amount(900))
    assert isinstance(first, Reserved)
    refused = reserve(engine, who, Amount(200))
    assert isinstance(refused, Refused)
    assert (refused.scope, refused.wait) == (Scope.EXECUTION, True)
    engine.do(ledger.settle, first.id, None)
    refused = reserve(engine, who, Amount(200))
    assert isinstance(refused, Refused)
    assert (refused.scope, refused.wait, refused.left) == (Scope.EXECUTION, False, Left(100))
    # Nothing of what is refused stays behind in the budgets around it.
    assert {each.tokens_reserved for each in engine.rows(select(budgets))} == {0}


@pytest.mark.parametrize("daily", [Daily(Caps(tokens=50)), Daily(Caps(nano_usd=5))])
def test_the_installations_day_is_a_cap_for_everybody(engine: Engine, daily: Daily) -> None:
    refused = reserve(engine, spender(engine), Amount(51, 6), daily)
    assert isinstance(refused, Refused)
    assert refused.scope == Scope.INSTALLATION_DAY


def test_a_day_has_its_own_budget(engine: Engine) -> None:
    daily = Daily(Caps(tokens=100))
    who = spender(engine)
    late = reserve(engine, who, Amount(100), daily)
    assert isinstance(late, Reserved)
    engine.later(24 * 3600)
    assert isinstance(reserve(engine, who, Amount(100), daily), Reserved)
    engine.do(ledger.settle, late.id, Used(60, 0))
    days = [row for row in engine.rows(select(budgets)) if row.kind == Scope.INSTALLATION_DAY]
    assert sorted((row.tokens_spent, row.tokens_reserved) for row in days) == [(0, 100), (60, 0)]


def test_a_task_has_a_budget_of_its_own(engine: Engine) -> None:
    who = spender(engine, task={"tokens": 10, "usd": "0.5"})
    refused = reserve(engine, who, Amount(11))
    assert isinstance(refused, Refused)
    assert refused.scope == Scope.TASK
    row = engine.rows(select(budgets).where(budgets.c.id == of_task(who.task_id)))[0]
    assert (row.tokens_cap, row.nano_usd_cap) == (10, NANO // 2)


def test_without_a_price_a_person_has_to_allow_it(engine: Engine) -> None:
    who = spender(engine)
    with pytest.raises(PriceUnknown, match="allow-unknown-price"):
        reserve(engine, who, Amount(1), priced=False)
    engine.change(budgets, budgets.c.id == of_execution(who.execution_id), unknown_price_by="ann")
    reserved = reserve(engine, who, Amount(1), priced=False)
    assert isinstance(reserved, Reserved)
    engine.do(ledger.settle, reserved.id, None)
    assert engine.rows(select(usage))[0].nano_usd is None


def test_whoever_has_lost_the_job_reserves_nothing_more(engine: Engine) -> None:
    who = spender(engine)
    left = reserve(engine, who, Amount(100, 7))
    assert isinstance(left, Reserved)
    engine.expire_leases()
    assert standing(engine, of_execution(who.execution_id)) == (Amount(100, 7), Amount())
    assert [row.basis for row in engine.rows(select(usage))] == [Basis.ASSUMED]
    with pytest.raises(AttemptEnded):
        reserve(engine, who, Amount(1))
    # What it learns too late changes nothing any more.
    engine.do(ledger.settle, left.id, Used(1, 1))
    assert standing(engine, of_execution(who.execution_id)) == (Amount(100, 7), Amount())


def test_the_tick_settles_what_an_attempt_that_has_ended_left(engine: Engine) -> None:
    """One that reserved at the very moment at which somebody else ended it."""
    who = spender(engine)
    engine.expire_leases()
    mine = attempts.c.id == who.attempt_id
    engine.change(attempts, mine, status="active")
    assert isinstance(reserve(engine, who, Amount(100)), Reserved)
    engine.change(attempts, mine, status="lost")
    assert standing(engine, of_execution(who.execution_id)) == (Amount(), Amount(100))
    engine.tick()
    assert standing(engine, of_execution(who.execution_id)) == (Amount(100), Amount())


def test_the_alert_is_due_from_its_share_and_told_once(engine: Engine) -> None:
    who = spender(engine)
    due: list[str] = engine.do(ledger.record, new_id(), who, Used(799, 0), UNLIMITED)
    assert due == []
    for _ in range(2):
        due = engine.do(ledger.record, new_id(), who, Used(1, 0), UNLIMITED)
        engine.do(ledger.alert, who.execution_id, due)
    assert due == []
    assert engine.events(who.execution_id).count("budget.alert") == 1


@pytest.mark.parametrize("worst", [10, 30])
def test_a_hundred_at_the_last_per_cent(engine: Engine, worst: int) -> None:
    """Each takes up to `worst` and then uses 1; who is refused comes again, as the loop does."""
    who = spender(engine, budget={"tokens": 10_000})
    engine.do(ledger.record, new_id(), who, Used(9_900, 0), UNLIMITED)
    start = threading.Barrier(100)
    wrong: list[str] = []

    def call() -> None:
        start.wait()
        asked = worst
        while True:
            answer = reserve(engine, who, Amount(asked))
            if isinstance(answer, Reserved):
                engine.do(ledger.settle, answer.id, Used(1, 0))
                return
            if answer.wait:
                continue
            account = answer.account
            if account.reserved.tokens or asked <= 10_000 - account.spent.tokens:
                wrong.append(f"{asked} were refused for good, and others will give back: {account}")
                return
            if not answer.left.tokens:
                wrong.append("refused, and others had left something")
                return
            asked = min(asked, answer.left.tokens)

    with ThreadPoolExecutor(100) as threads:
        for each in [threads.submit(call) for _ in range(100)]:
            each.result()
    assert wrong == []
    assert standing(engine, of_execution(who.execution_id)) == (Amount(10_000), Amount())


def test_alerts_and_calls_take_their_budgets_in_one_order(engine: Engine) -> None:
    """Else two of them would wait for each other, and a database would end one."""
    who = spender(engine, budget={"tokens": 100_000})
    daily = Daily(Caps(tokens=100_000), alert_percent=1)
    engine.do(ledger.record, new_id(), who, Used(2_000, 0), daily)
    ids = [row.id for row in engine.rows(select(budgets).order_by(budgets.c.id.desc()))]
    start = threading.Barrier(2)

    def tell() -> None:
        start.wait()
        for _ in range(30):
            for id_ in ids:
                engine.change(budgets, budgets.c.id == id_, alerted_at=None)
            engine.do(ledger.alert, who.execution_id, ids)

    def call() -> None:
        start.wait()
        for _ in range(60):
            reserved = reserve(engine, who, Amount(1), daily)
            assert isinstance(reserved, Reserved)
            engine.do(ledger.release, reserved.id)

    with ThreadPoolExecutor(2) as threads:
        for each in [threads.submit(tell), threads.submit(call)]:
            each.result()
