"""The ledger against a ledger of the test's own: the same answers and sums, whatever is done."""

import contextlib
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import select

from conductor_app.domain.budget import Amount, Basis, Caps, Daily, day_of
from conductor_app.domain.outcome import Suspended
from conductor_app.engine import budget_control, sweep
from conductor_app.engine import budgets as ledger
from conductor_app.engine.budget_standing import find
from conductor_app.engine.budgets import AttemptEnded, Reserved
from conductor_app.engine.report import Report, report
from conductor_app.errors import Refused as NotAllowed
from conductor_app.ids import new_id
from conductor_app.queue import SYSTEM_QUEUE, agent_queue
from conductor_app.store.budgets import Spender, Used
from conductor_app.store.tables import attempts, budgets, jobs
from tests.fakes import invariants
from tests.fakes.engine import Engine, engine_on, phase, task, workflow
from tests.fakes.worker import DIES

DAILY = Daily(Caps(tokens=150, nano_usd=120), emergency_tokens=40)
UNITS = ("tokens", "nano_usd")
WHICH = st.integers(0, 20)
SMALL = st.integers(0, 40)


@dataclass
class Purse:
    """A budget in plain numbers."""

    cap: dict[str, int | None]
    spent: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)

    def left(self, unit: str) -> int | None:
        cap = self.cap[unit]
        return None if cap is None else max(0, cap - self.spent[unit] - self.held[unit])

    def lacks(self, worst: dict[str, int]) -> list[str]:
        lefts = {unit: self.left(unit) for unit in UNITS}
        return [unit for unit, left in lefts.items() if left is not None and worst[unit] > left]


@dataclass
class Call:
    """A reservation that is open."""

    id: str
    spender: Spender
    worst: dict[str, int]
    purses: list[str]


class LedgerMachine(RuleBasedStateMachine):
    """Attempts call models, end well, badly or unheard, and people give more."""

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        place = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.engine: Engine = self.stack.enter_context(engine_on(f"sqlite:///{place / 'c.db'}"))
        self.purses: dict[str, Purse] = {}
        self.calls: list[Call] = []
        self.ended: set[str] = set()
        self.engine.register("worker", [agent_queue("models"), SYSTEM_QUEUE], 100)
        for cap in (100, None):
            self._begin(cap)
        self.engine.run(outcomes={f"0/{key}": [DIES] * 2 for key in "abc"})
        begun = self.engine.rows(select(attempts).where(attempts.c.status == "active"))
        self.spenders = [
            Spender(
                self.engine.execution(row.execution_id).project_id,
                row.execution_id,
                row.task_id,
                row.id,
                *("models", "claude", "p", "m"),
            )
            for row in begun
        ]
        assert len(self.spenders) == 6

    def _begin(self, cap: int | None) -> None:
        """Three tasks under this cap; the first of them has one of its own."""
        given = {} if cap is None else {"tokens": cap}
        own = {"usd": "0.00000005"}
        template = workflow(phase(task("a", budget=own), task("b"), task("c")), budget=given)
        id_ = self.engine.start(template)
        self.purses[f"execution:{id_}"] = Purse({"tokens": cap, "nano_usd": None})
        for key, nano_usd in (("a", 50), ("b", None), ("c", None)):
            purse = Purse({"tokens": None, "nano_usd": nano_usd})
            self.purses[f"task:{self.engine.task(id_, f'0/{key}').id}"] = purse

    def _purses_of(self, who: Spender) -> list[str]:
        day = day_of(self.engine.now)
        ids = [f"installation:{day}", f"project:{who.project_id}:{day}"]
        self.purses.setdefault(ids[0], Purse({"tokens": 150, "nano_usd": 120}))
        self.purses.setdefault(ids[1], Purse({"tokens": None, "nano_usd": None}))
        return [*ids, f"execution:{who.execution_id}", f"task:{who.task_id}"]

    @rule(which=WHICH, tokens=SMALL, nano_usd=SMALL)
    def reserve(self, which: int, tokens: int, nano_usd: int) -> None:
        who = self.spenders[which % len(self.spenders)]
        worst = {"tokens": tokens, "nano_usd": nano_usd}
        if who.attempt_id in self.ended:
            with contextlib.suppress(AttemptEnded):
                self.engine.do(ledger.reserve, new_id(), who, Amount(tokens, nano_usd), DAILY)
                raise AssertionError("the attempt has ended")
            return
        purses = self._purses_of(who)
        answer = self.engine.do(ledger.reserve, new_id(), who, Amount(tokens, nano_usd), DAILY)
        lacking = {id_: found for id_ in purses if (found := self.purses[id_].lacks(worst))}
        assert isinstance(answer, Reserved) == (not lacking)
        if isinstance(answer, Reserved):
            for id_ in purses:
                self.purses[id_].held.update(worst)
            self.calls.append(Call(answer.id, who, worst, purses))
            return
        # It is told to wait only while everything that it lacks is partly held by others.
        hope = all(self.purses[id_].held[unit] for id_, units in lacking.items() for unit in units)
        assert answer.wait == hope
        for unit in UNITS:
            lefts = [self.purses[id_].left(unit) for id_ in purses]
            known = [left for left in lefts if left is not None]
            assert getattr(answer.left, unit) == min(known, default=None)

    @precondition(lambda self: self.calls)
    @rule(which=WHICH, share=st.integers(0, 100))
    def settle(self, which: int, share: int) -> None:
        """At most its worst case is used."""
        call = self.calls.pop(which % len(self.calls))
        used = {unit: amount * share // 100 for unit, amount in call.worst.items()}
        self.engine.do(ledger.settle, call.id, Used(used["tokens"], used["nano_usd"]))
        self._settled(call, used)

    @precondition(lambda self: self.calls)
    @rule(which=WHICH, refused=st.booleans())
    def lose_the_answer(self, which: int, refused: bool) -> None:
        call = self.calls.pop(which % len(self.calls))
        if refused:
            self.engine.do(ledger.release, call.id)
            self._settled(call, {})
        else:
            self.engine.do(ledger.settle, call.id, None)
            self._settled(call, call.worst)
        # Once more is not twice.
        self.engine.do(ledger.settle, call.id, Used(1000, 1000, Basis.REPORTED))
        self.engine.do(ledger.release, call.id)

    def _settled(self, call: Call, used: dict[str, int]) -> None:
        for id_ in call.purses:
            self.purses[id_].held.subtract(call.worst)
            self.purses[id_].spent.update(used)

    @rule(which=WHICH, silent=st.booleans())
    def end_an_attempt(self, which: int, silent: bool) -> None:
        """What it has reserved is spent, as far as anybody knows."""
        who = self.spenders[which % len(self.spenders)]
        if who.attempt_id in self.ended or len(self.ended) > 3:
            return
        found = [
            row
            for row in self.engine.rows(select(jobs).where(jobs.c.status == "active"))
            if row.task_id == who.task_id
        ]
        if silent:
            self.engine.change(jobs, jobs.c.id == found[0].id, lease_until=0)
            self.engine.do(sweep.expire, who.execution_id, found[0].id)
        else:
            wait = Suspended("BUDGET_EXHAUSTED", "used up", bounded=False, pauses=True)
            sent = Report(found[0].id, found[0].fence, wait, who.attempt_id)
            assert self.engine.do(report, [sent], 30_000)[found[0].id].accepted
        self.ended.add(who.attempt_id)
        for call in [each for each in self.calls if each.spender == who]:
            self.calls.remove(call)
            self._settled(call, call.worst)

    @rule(which=WHICH, tokens=st.integers(1, 30), lower=st.booleans())
    def change_a_cap(self, which: int, tokens: int, lower: bool) -> None:
        who = self.spenders[which % len(self.spenders)]
        id_ = self._purses_of(who)[which % 4]
        spoken = id_.removesuffix(f":{day_of(self.engine.now)}")
        purse = self.purses[id_]
        cap = purse.cap["tokens"]
        with self.engine.reading() as tx:
            name = find(tx, spoken)
        with contextlib.suppress(NotAllowed):
            if lower:
                self.engine.do(budget_control.set_caps, name, DAILY, {"tokens": tokens}, "r")
                purse.cap["tokens"] = tokens
            else:
                self.engine.do(budget_control.raise_caps, name, DAILY, {"tokens": tokens}, "r")
                assert cap is not None
                purse.cap["tokens"] = cap + tokens

    @rule(sure=st.integers(0, 4))
    def midnight(self, sure: int) -> None:
        if sure == 4:
            self.engine.later(24 * 3600)

    @invariant()
    def the_ledgers_agree(self) -> None:
        rows = {row.id: row for row in self.engine.rows(select(budgets))}
        for id_, purse in self.purses.items():
            for unit in UNITS:
                cap, taken = purse.cap[unit], purse.spent[unit] + purse.held[unit]
                assert cap is None or taken <= cap, f"{unit} of {id_}: {taken} of {cap}"
                if row := rows.get(id_):
                    assert getattr(row, f"{unit}_spent") == purse.spent[unit], id_
                    assert getattr(row, f"{unit}_reserved") == purse.held[unit], id_
                    assert getattr(row, f"{unit}_cap") == cap, id_
                else:
                    assert taken == 0, id_

    @invariant()
    def invariants_hold(self) -> None:
        invariants.hold(self.engine)

    def teardown(self) -> None:
        """Whatever happened, nothing stays reserved once all has ended."""
        for call in self.calls[:]:
            self.calls.remove(call)
            self.engine.do(ledger.settle, call.id, None)
            self._settled(call, call.worst)
        self.the_ledgers_agree()
        assert not any(sum(purse.held.values()) for purse in self.purses.values())
        self.stack.close()


TestLedgerModel = LedgerMachine.TestCase
TestLedgerModel.settings = settings(
    derandomize=True,
    max_examples=12,
    stateful_step_count=50,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
