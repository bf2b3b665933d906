"""The meter of an attempt: calls are paid for, whatever becomes of them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from sqlalchemy import select

from conductor_app.bootstrap import Conductor
from conductor_app.domain.budget import of_execution
from conductor_app.engine.claim import Claim
from conductor_app.prices import Prices, Rates
from conductor_app.settings import Settings
from conductor_app.store.tables import budgets, reservations, usage
from tests.fakes import invariants
from tests.fakes.engine import Engine, engine_on, phase, task, workflow
from tests.fakes.unanswered import Unanswered
from tests.fakes.worker import DIES, Dies
from workers.failures import AttemptFailed, FailureKind
from workers.metering import Meter
from workers.patience import Patience
from workers.turns import Usage
from workers.wanted import WantedCall

# One nano-USD for a token in, two for one out.
PRICES = Prices({"p/m": Rates.model_validate({"input": "0.001", "output": "0.002"})})
CALL = ("claude", "p", "m")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine
        invariants.hold(engine)


def metered(engine: Engine, home: Path, link: Unanswered | None = None, **settings: Any) -> Meter:
    """The meter of an attempt of an execution that may use 1000 tokens."""
    taken: list[Claim] = []

    def keep(claim: Claim) -> Dies:
        taken.append(claim)
        return DIES

    engine.start(workflow(phase(task("a")), budget={"tokens": 1000}))
    engine.run(outcomes={"0/a": [keep]})
    conductor = Conductor(Settings.load(home, **settings), engine.database, engine.queue)
    through: Any = link or conductor
    return Meter(Patience(through), PRICES, taken[0])


@pytest.mark.parametrize("model", ["m\0x", "m\ud800", "m" * 3_000_000])
def test_an_odd_name_of_a_programs_model_loses_no_bill(
    engine: Engine, home: Path, model: str
) -> None:
    meter = metered(engine, home)
    run = meter.admit("command", "p", "")
    meter.record(run, "command", "p", model, Usage(5, 5, cost_nano_usd=70))
    (row,) = engine.rows(select(usage))
    assert (row.nano_usd, len(row.model) <= 200) == (70, True)


def wanted(input_tokens: int, output_tokens: int, least: int | None = None) -> WantedCall:
    return WantedCall(*CALL, input_tokens, output_tokens, least)


def of(engine: Engine) -> tuple[int, int, int, int]:
    """Tokens and money spent, tokens and money reserved, of the execution."""
    execution = engine.rows(select(reservations.c.execution_id))[0].execution_id
    row = engine.rows(select(budgets).where(budgets.c.id == of_execution(execution)))[0]
    return row.tokens_spent, row.nano_usd_spent, row.tokens_reserved, row.nano_usd_reserved


def test_a_call_is_reserved_at_its_worst_and_settled_at_its_price(
    engine: Engine, home: Path
) -> None:
    meter = metered(engine, home)
    with meter.call(wanted(100, 50)) as call:
        assert of(engine) == (0, 0, 150, 200)
        assert call.settle(Usage(80, 10), "req-1").cost_nano_usd == 100
    assert of(engine) == (90, 100, 0, 0)
    row = engine.rows(select(usage))[0]
    assert (row.agent, row.connector, row.provider, row.model) == ("models", "claude", "p", "m")
    assert (row.input_tokens, row.output_tokens, row.request_id) == (80, 10, "req-1")


def test_a_call_that_says_nothing_is_paid_in_full(engine: Engine, home: Path) -> None:
    meter = metered(engine, home)
    with pytest.raises(ConnectionError), meter.call(wanted(100, 50)):
        raise ConnectionError("cut")
    assert of(engine) == (150, 200, 0, 0)


def test_a_call_that_was_refused_costs_nothing(engine: Engine, home: Path) -> None:
    meter = metered(engine, home)
    with meter.call(wanted(100, 50)) as call:
        call.nothing_spent()
    assert of(engine) == (0, 0, 0, 0)
    assert engine.rows(select(usage)) == []


def test_while_others_hold_the_rest_it_waits(engine: Engine, home: Path) -> None:
    meter = metered(engine, home)
    with meter.call(wanted(800, 100)) as call:
        with pytest.raises(AttemptFailed) as failed, meter.call(wanted(80, 50)):
            pytest.fail("it was not covered")
        call.settle(Usage(10, 10))
    assert failed.value.kind == FailureKind.BUDGET_EXHAUSTED
    assert failed.value.retryable
    assert failed.value.retry_after
    with meter.call(wanted(80, 50)) as call:
        call.settle(Usage(10, 10))


def test_what_no_waiting_covers_says_the_way_out(engine: Engine, home: Path) -> None:
    meter = metered(engine, home)
    with (
        pytest.raises(
            AttemptFailed, match=r"1,100 tokens \(1,000 of 1,000 are left\)\. .*budget raise"
        ),
        meter.call(wanted(800, 300)),
    ):
        pytest.fail("it was not covered")
    with pytest.raises(AttemptFailed) as failed, meter.call(wanted(800, 300)):
        pytest.fail("it was not covered")
    assert (failed.value.kind, failed.value.retryable) == (FailureKind.BUDGET_EXHAUSTED, False)


def test_fewer_tokens_are_granted_where_these_make_sense(engine: Engine, home: Path) -> None:
    meter = metered(engine, home)
    with meter.call(wanted(800, 300, least=100)) as call:
        assert call.max_output_tokens == 200
        call.settle(Usage(800, 150))
    with (
        pytest.raises(AttemptFailed),
        meter.call(wanted(10, 300, least=100)),
    ):
        pytest.fail("50 are left")


def test_the_budget_that_is_named_refuses_even_the_shortest_call(
    engine: Engine, home: Path
) -> None:
    meter = metered(engine, home, daily_tokens=1060)
    told = r"budget of the execution .* 1,250 tokens \(1,000 of 1,000 are left\)"
    with pytest.raises(AttemptFailed, match=told), meter.call(wanted(950, 300, least=100)):
        pytest.fail("1,050 are not left")


def test_fewer_tokens_also_where_money_is_short(engine: Engine, home: Path) -> None:
    meter = metered(engine, home, daily_usd="0.0000005")
    with meter.call(wanted(100, 300, least=100)) as call:
        assert call.max_output_tokens == 200
        call.settle(Usage(100, 200))
    assert of(engine) == (300, 500, 0, 0)


def test_a_model_without_a_price_needs_a_person(engine: Engine, home: Path) -> None:
    meter = metered(engine, home)
    with (
        pytest.raises(AttemptFailed, match="allow-unknown-price"),
        meter.call(WantedCall("x", "p", "n", 1, 1)),
    ):
        pytest.fail("nobody allowed it")
    engine.change(budgets, budgets.c.kind == "execution", unknown_price_by="ann")
    with meter.call(WantedCall("x", "p", "n", 1, 1)) as call:
        assert call.settle(Usage(1, 1)).cost_nano_usd == 0
    assert engine.rows(select(usage))[0].nano_usd is None


def test_what_a_program_says_afterwards_is_booked_even_beyond_the_cap(
    engine: Engine, home: Path
) -> None:
    meter = metered(engine, home)
    with meter.call(wanted(1, 0)):
        pass
    runs = [meter.admit(*CALL) for _ in range(4)]
    assert [row.basis for row in engine.rows(select(usage))][1:] == ["unknown"] * 4
    assert meter.record(runs[0], *CALL, Usage(2000, 0)).cost_nano_usd == 2000
    assert meter.record(runs[1], *CALL, Usage(1, 0, cost_nano_usd=7)).cost_nano_usd == 7
    meter.record(runs[2], *CALL, None)
    assert of(engine)[0] == 2002
    assert [row.basis for row in engine.rows(select(usage).order_by(usage.c.id))] == [
        "assumed",
        "soft_cap",
        "soft_cap",
        "unknown",
        # Nobody lived to tell.
        "unknown",
    ]


def test_the_alert_is_an_event(engine: Engine, home: Path) -> None:
    meter = metered(engine, home)
    for _ in range(2):
        with meter.call(wanted(450, 0)):
            pass
    execution = engine.rows(select(reservations.c.execution_id))[0].execution_id
    assert engine.events(execution).count("budget.alert") == 1


def test_a_report_that_can_not_be_counts_as_the_worst_case(engine: Engine, home: Path) -> None:
    """A model server that lies neither empties a budget nor passes its cap."""
    meter = metered(engine, home)
    with meter.call(wanted(100, 50)) as call:
        told = call.settle(Usage(10**30, 1))
    assert (told.tokens, told.cost_nano_usd) == (150, 200)
    assert of(engine) == (150, 200, 0, 0)
    assert engine.rows(select(usage))[0].basis == "assumed"


def test_what_spends_without_asking_is_not_begun_any_more_once_a_budget_is_used_up(
    engine: Engine, home: Path
) -> None:
    meter = metered(engine, home)
    meter.record(meter.admit(*CALL), *CALL, Usage(999, 0))
    meter.record(meter.admit(*CALL), *CALL, Usage(2000, 0))
    with pytest.raises(AttemptFailed, match=r"is used up: 2,999 of 1,000 tokens\. .*--tokens N"):
        meter.admit(*CALL)


def test_nor_while_others_hold_all_that_is_left(engine: Engine, home: Path) -> None:
    meter = metered(engine, home)
    with meter.call(wanted(1000, 0)) as call:
        with pytest.raises(AttemptFailed, match="it waits") as failed:
            meter.admit(*CALL)
        call.settle(Usage(1, 0))
    assert failed.value.retry_after
    meter.admit(*CALL)


@pytest.mark.parametrize("cut", ["before", "after"])
def test_a_commit_that_is_not_answered_is_made_once(
    engine: Engine, home: Path, cut: Literal["before", "after"]
) -> None:
    """Neither does the call end with it, nor is anything set aside or booked twice."""
    link = Unanswered(engine, None)
    meter = metered(engine, home, link)
    link.cut = cut
    with meter.call(wanted(300, 0)) as call:
        assert of(engine)[2:] == (300, 300)
        link.cut = cut
        call.settle(Usage(200, 0))
    assert of(engine) == (200, 200, 0, 0)
    with meter.call(wanted(300, 0)) as call:
        link.cut = cut
        call.nothing_spent()
    assert of(engine) == (200, 200, 0, 0)
    with meter.call(wanted(300, 0)):
        link.cut = cut
    assert of(engine) == (500, 500, 0, 0)
    link.cut = cut
    run = meter.admit(*CALL)
    link.cut = cut
    meter.record(run, *CALL, Usage(350, 0))
    assert of(engine) == (850, 850, 0, 0)
    assert [row.tokens for row in engine.rows(select(usage).order_by(usage.c.id))] == [
        200,
        300,
        350,
    ]
    execution = engine.rows(select(reservations.c.execution_id))[0].execution_id
    assert engine.events(execution).count("budget.alert") == 1
