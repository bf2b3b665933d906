"""A person gives more, and what a budget had stopped goes on; on both databases."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import select

from conductor_app.domain.budget import NANO, Amount, Caps, Daily, Refused, day_of
from conductor_app.domain.budget_names import Name
from conductor_app.domain.outcome import Failed, Suspended
from conductor_app.engine import budget_control, control
from conductor_app.engine import budgets as ledger
from conductor_app.engine.budget_control import Changed
from conductor_app.engine.budget_standing import find
from conductor_app.engine.budgets import Reserved
from conductor_app.errors import InvalidInput, NotFound
from conductor_app.errors import Refused as NotAllowed
from conductor_app.ids import new_id
from conductor_app.store.budgets import Spender, Used
from conductor_app.store.tables import attempts, budgets, errors, events
from tests.fakes import invariants
from tests.fakes.engine import Engine, engine_on, phase, task, workflow
from tests.fakes.worker import DIES

DAILY = Daily(Caps(tokens=1000, nano_usd=NANO), emergency_tokens=500)
EXHAUSTED = Suspended("BUDGET_EXHAUSTED", "It is used up.", bounded=False, pauses=True)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine
        invariants.hold(engine)


def begin(engine: Engine, project: str = "demo", **fields: Any) -> str:
    template = workflow(phase(task("a", budget=fields.pop("task", {}))), budget=fields)
    return engine.start(template, project)


def exhausted(engine: Engine, project: str = "demo", **fields: Any) -> str:
    """An execution that is paused because a budget is used up."""
    id_ = begin(engine, project, **fields)
    engine.run(outcomes={"0/a": [EXHAUSTED]})
    row = engine.execution(id_)
    assert (row.status, row.reason) == ("paused", "budget_exhausted")
    return id_


def name(engine: Engine, text: str) -> Name:
    with engine.reading() as tx:
        return find(tx, text)


def cap(engine: Engine, text: str, **caps: int | None) -> Changed:
    given: Mapping[str, int | None] = caps
    found: Changed = engine.do(budget_control.set_caps, name(engine, text), DAILY, given, "because")
    return found


def more(engine: Engine, text: str, **amounts: int) -> Changed:
    found: Changed = engine.do(
        budget_control.raise_caps, name(engine, text), DAILY, amounts, "because"
    )
    return found


def row_of(engine: Engine, text: str) -> Any:
    id_ = name(engine, text).id
    return engine.rows(select(budgets).where(budgets.c.id == id_))[0]


def at_work(engine: Engine, id_: str) -> Spender:
    """The attempt that is at work in an execution."""
    engine.run(outcomes={"0/a": [DIES]})
    row = engine.rows(select(attempts).where(attempts.c.status == "active"))[0]
    project = engine.execution(id_).project_id
    return Spender(project, id_, row.task_id, row.id, "models", "claude", "anthropic", "m")


def test_raised_it_goes_on_to_its_end(engine: Engine) -> None:
    id_ = exhausted(engine, tokens=1000)
    assert more(engine, f"execution:{id_}", tokens=500).going_on == (id_,)
    assert row_of(engine, f"execution:{id_}").tokens_cap == 1500
    engine.run()
    assert engine.status(id_) == "completed"
    told = engine.rows(select(events).where(events.c.type == "budget.raised"))[0].payload
    assert told["reason"] == "because"
    assert told["caps"]["tokens"] == 1500


def test_what_waits_for_a_person_is_not_woken_by_money(engine: Engine) -> None:
    id_ = begin(engine, tokens=1000)
    engine.do(control.pause, id_)
    assert more(engine, f"execution:{id_}", tokens=500).going_on == ()
    assert engine.status(id_) == "paused"


def test_a_lower_cap_lets_nothing_go_on_and_stops_nothing(engine: Engine) -> None:
    id_ = exhausted(engine, tokens=1000)
    assert cap(engine, f"execution:{id_}", tokens=900).going_on == ()
    assert cap(engine, f"execution:{id_}", tokens=None).going_on == (id_,)


@pytest.mark.parametrize("scope", ["installation", "project"])
def test_a_days_budget_wakes_all_that_draw_from_it(engine: Engine, scope: str) -> None:
    mine = [exhausted(engine, "demo"), exhausted(engine, "demo")]
    other = exhausted(engine, "other")
    project = engine.execution(mine[0]).project_id
    text = "installation" if scope == "installation" else f"project:{project}"
    if scope == "project":
        cap(engine, text, tokens=10)
    woken = more(engine, text, tokens=500).going_on
    assert set(woken) == {*mine, *([other] if scope == "installation" else [])}


def test_a_tasks_budget_wakes_its_execution(engine: Engine) -> None:
    id_ = exhausted(engine, task={"tokens": 10})
    text = f"task:{engine.task(id_, '0/a').id}"
    assert more(engine, text, tokens=5).going_on == (id_,)
    assert row_of(engine, text).tokens_cap == 15


def test_no_cap_falls_below_what_is_taken(engine: Engine) -> None:
    id_ = begin(engine, tokens=1000)
    who = at_work(engine, id_)
    assert isinstance(engine.do(ledger.reserve, new_id(), who, Amount(300, 7), DAILY), Reserved)
    engine.do(ledger.record, new_id(), who, Used(200, 0), DAILY)
    with pytest.raises(NotAllowed, match=r"500 tokens .*spent or reserved already"):
        cap(engine, f"execution:{id_}", tokens=499)
    cap(engine, f"execution:{id_}", tokens=500, nano_usd=7)
    refused = engine.do(ledger.reserve, new_id(), who, Amount(1), DAILY)
    assert isinstance(refused, Refused)


def test_a_cap_that_was_only_told_of_is_raised_from_what_is_spent(engine: Engine) -> None:
    """A program whose cap is soft has spent more: what is given counts from there."""
    id_ = begin(engine, tokens=1000)
    who = at_work(engine, id_)
    engine.do(ledger.record, new_id(), who, Used(1700, 0), Daily(Caps()))
    more(engine, f"execution:{id_}", tokens=100)
    assert row_of(engine, f"execution:{id_}").tokens_cap == 1800


def test_the_emergency_pool_is_opened_once_a_day_with_a_reason(engine: Engine) -> None:
    id_ = exhausted(engine)
    pool = (budget_control.open_emergency_pool, name(engine, "installation"), DAILY)
    assert engine.do(*pool, "the release is today").going_on == (id_,)
    row = row_of(engine, "installation")
    assert (row.tokens_cap, row.emergency_reason) == (1500, "the release is today")
    with pytest.raises(NotAllowed, match=r"open already .the release is today"):
        engine.do(*pool, "again")
    assert row_of(engine, "installation").tokens_cap == 1500
    engine.later(24 * 3600)
    tomorrow = name(engine, "installation")
    engine.do(budget_control.open_emergency_pool, tomorrow, DAILY, "again")
    assert row_of(engine, "installation").tokens_cap == 1500
    assert len(engine.rows(select(budgets).where(budgets.c.tokens_cap == 1500))) == 2


@pytest.mark.parametrize(
    ("text", "daily", "message"),
    [
        ("installation", Daily(Caps(), emergency_tokens=0), "EMERGENCY_TOKENS is 0"),
        ("installation", Daily(Caps(), emergency_tokens=5), "needs no pool"),
        ("execution", DAILY, "Only the installation's day"),
    ],
)
def test_where_there_is_no_pool_it_says_so(
    engine: Engine, text: str, daily: Daily, message: str
) -> None:
    id_ = begin(engine)
    named = name(engine, text if text == "installation" else f"execution:{id_}")
    with pytest.raises(NotAllowed, match=message):
        engine.do(budget_control.open_emergency_pool, named, daily, "why")


def test_an_unknown_price_is_allowed_by_a_person(engine: Engine) -> None:
    id_ = exhausted(engine)
    allow = (budget_control.allow_unknown_price, name(engine, f"execution:{id_}"), DAILY)
    assert engine.do(*allow, "it runs here").going_on == (id_,)
    assert isinstance(
        engine.do(ledger.reserve, new_id(), at_work(engine, id_), Amount(1), DAILY, priced=False),
        Reserved,
    )
    with pytest.raises(NotAllowed, match=r"already .it runs here"):
        engine.do(*allow, "again")


def test_the_alert_is_an_error_that_people_see_and_is_given_anew(engine: Engine) -> None:
    id_ = begin(engine, tokens=1000)
    who = at_work(engine, id_)

    def spend(tokens: int) -> int:
        due = engine.do(ledger.record, new_id(), who, Used(tokens, 0), Daily(Caps()))
        engine.do(ledger.alert, id_, due)
        return engine.events(id_).count("budget.alert")

    assert spend(850) == 1
    told = engine.rows(select(errors).where(errors.c.kind == ledger.BUDGET_ALERT))[0]
    assert "850 of 1,000 tokens are spent" in told.message
    assert f"conductor budget raise execution:{id_}" in told.message
    # Hardly more: it is still short, and that is known.
    more(engine, f"execution:{id_}", tokens=1)
    assert spend(1) == 1
    more(engine, f"execution:{id_}", tokens=1000)
    assert spend(1) == 1
    assert spend(900) == 2


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", InvalidInput),
        ("money", InvalidInput),
        ("installation:", InvalidInput),
        ("installation:today", InvalidInput),
        ("installation:2027-02-30", InvalidInput),
        ("project", InvalidInput),
        ("project:nowhere", NotFound),
        ("execution:", InvalidInput),
        ("execution:01J0", NotFound),
        ("task:01J0", NotFound),
        ("task:01J0:2027-01-15", NotFound),
    ],
)
def test_a_name_that_is_none(engine: Engine, text: str, error: type[Exception]) -> None:
    begin(engine)
    with pytest.raises(error):
        name(engine, text)


def test_a_project_is_found_by_its_name_for_any_day(engine: Engine) -> None:
    project = engine.execution(begin(engine)).project_id
    found = name(engine, "project:demo:2026-12-24")
    assert found.id == f"project:{project}:2026-12-24"
    assert name(engine, f"project:{project}").day == day_of(engine.now)
    with pytest.raises(NotAllowed, match="Only today's budget"):
        cap(engine, "project:demo:2026-12-24", tokens=1)


def test_what_makes_no_sense_is_refused(engine: Engine) -> None:
    id_ = begin(engine)
    with pytest.raises(NotAllowed, match="has no cap on tokens"):
        more(engine, f"execution:{id_}", tokens=1)
    with pytest.raises(NotAllowed, match="no cap on working time"):
        cap(engine, f"execution:{id_}", working_ms=60_000)
    with pytest.raises(InvalidInput, match="Only an execution"):
        cap(engine, "installation", working_ms=60_000)
    with pytest.raises(InvalidInput, match="at most"):
        cap(engine, f"execution:{id_}", tokens=10**15 + 1)
    cap(engine, f"execution:{id_}", tokens=10**15)
    with pytest.raises(InvalidInput, match="at most"):
        more(engine, f"execution:{id_}", tokens=1)
    engine.run()
    with pytest.raises(NotAllowed, match="nothing about it changes any more"):
        cap(engine, f"execution:{id_}", tokens=1)


def test_working_time_is_given_too(engine: Engine) -> None:
    id_ = begin(engine, minutes=1)
    engine.run(outcomes={"0/a": [DIES]})
    engine.later(61)
    engine.tick()
    assert engine.execution(id_).reason == "budget_exhausted"
    assert more(engine, f"execution:{id_}", working_ms=60_000).going_on == (id_,)
    engine.tick()
    assert engine.status(id_) == "running"


def test_a_program_that_ends_over_its_budget_pauses_the_execution_as_well(engine: Engine) -> None:
    id_ = begin(engine, tokens=10)
    engine.run(outcomes={"0/a": [Failed("BUDGET_EXHAUSTED", "Its gateway refused.")]})
    assert engine.execution(id_).reason == "budget_exhausted"
    assert engine.task(id_, "0/a").failures == 0
