"""The engine against a world in which anything may happen: its invariants hold after every step."""

import contextlib
import shutil
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from conductor_app.engine import control, rerun, rollback, task_control
from conductor_app.engine.system_ends import LONGEST_WAIT
from conductor_app.errors import Refused
from conductor_app.queue import ISOLATED_QUEUE, SYSTEM_QUEUE, Hint, agent_queue
from conductor_app.store.database import Transaction
from conductor_app.store.tables import tasks
from tests.databases import give_schema
from tests.fakes import invariants
from tests.fakes.engine import check, milestone, opened, phase, task, workflow
from tests.fakes.simulation import SETBACKS, HeldJob, Simulation, gits_fault

AGENTS = ("models", "api", "test")
QUEUES = (*(agent_queue(agent) for agent in AGENTS), SYSTEM_QUEUE, ISOLATED_QUEUE)
KEYS = "abcde"
WHICH = st.integers(0, 20)


@st.composite
def phases(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """Up to five tasks, each needing some of those before it, perhaps of an earlier phase."""
    made: list[dict[str, Any]] = []
    earlier = [f"{before}/a" for before in range(number)]
    for key in KEYS[: draw(st.integers(2, len(KEYS)))]:
        known = [each["key"] for each in made] + earlier
        needs = draw(st.lists(st.sampled_from(known), unique=True, max_size=2)) if known else []
        made.append(
            task(
                key,
                agent=draw(st.sampled_from(AGENTS)),
                needs=needs,
                files=draw(st.booleans()),
                milestone=draw(st.sampled_from(["m", None])),
                retry={"max": 1, "base": 0},
            )
        )
    made[0]["milestone"] = "m"
    held_to_account = draw(st.sampled_from([None, "a", "0/a"]))
    return phase(
        *made,
        milestones=[milestone("m", check(task=held_to_account))],
        exit_criteria=[check()] if draw(st.booleans()) else [],
    )


@st.composite
def workflows(draw: st.DrawFn) -> Any:
    return workflow(
        *(draw(phases(number)) for number in range(draw(st.integers(1, 3)))),
        concurrency=draw(st.sampled_from([None, 1, 2])),
        agents={"models": {"concurrency": 1}} if draw(st.booleans()) else {},
    )


@pytest.fixture(scope="module", autouse=True)
def migrated() -> Any:
    """One empty database with its schema, which every example starts from a copy of."""
    with tempfile.TemporaryDirectory() as place:
        EngineMachine.empty = Path(place) / "empty.db"
        give_schema(f"sqlite:///{EngineMachine.empty}")
        yield


def milestone_validated(tx: Transaction, execution_id: str) -> str:
    return control.validate(tx, execution_id, "0/m")


def rolled_back_to_the_beginning(tx: Transaction, execution_id: str) -> int:
    return rollback.rollback(tx, execution_id, to=0)


def skipped(tx: Transaction, execution_id: str, key: str) -> None:
    task_control.skip(tx, execution_id, key, "not needed")


class EngineMachine(RuleBasedStateMachine):
    """People, workers, the broker and the sweeper, each doing what it may at any time."""

    empty: Path

    def __init__(self) -> None:
        super().__init__()
        self.stack = contextlib.ExitStack()
        place = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        shutil.copy(self.empty, place / "c.db")
        self.engine = self.stack.enter_context(opened(f"sqlite:///{place / 'c.db'}"))
        self.world = Simulation(self.engine)
        self.execution = ""

    @initialize(template=workflows(), automatic=st.booleans())
    def start(self, template: Any, automatic: bool) -> None:
        self.engine.register("worker", QUEUES, 100)
        self.execution = self.engine.start(template, auto_advance=automatic)

    # The broker

    @precondition(lambda self: self.engine.queue.hints)
    @rule(which=WHICH, keep=st.booleans())
    def deliver(self, which: int, keep: bool) -> None:
        """Any message, not only the first, and perhaps not for the last time."""
        hint = self.any_hint(which)
        self.world.deliver(hint)
        if keep:
            self.engine.queue.hints.append(hint)

    def any_hint(self, which: int) -> Hint:
        hints = self.engine.queue.hints
        return hints.pop(which % len(hints))

    @precondition(lambda self: self.engine.queue.hints)
    @rule()
    def broker_loses_everything(self) -> None:
        self.engine.queue.hints.clear()

    # Workers

    @precondition(lambda self: self.engine.queue.hints)
    @rule(jobs=st.integers(1, 6))
    def work(self, jobs: int) -> None:
        """As it should be: messages in their order, and everything ends well."""
        for _ in range(jobs):
            if self.world.held:
                self.world.succeed(self.world.held[-1])
            elif self.engine.queue.hints:
                self.world.deliver(self.engine.queue.hints.pop(0))

    @precondition(lambda self: self.world.held)
    @rule(which=WHICH)
    def succeed(self, which: int) -> None:
        self.world.succeed(self.world.held[which % len(self.world.held)])

    @precondition(lambda self: self.world.held)
    @rule(which=WHICH, how=WHICH)
    def set_back(self, which: int, how: int) -> None:
        self.set_it_back(self.world.held[which % len(self.world.held)], how)

    def set_it_back(self, held: HeldJob, how: int) -> None:
        # What is on the branch is found there: no conflict and no lost commit any more.
        done = held.kind == "integrate" and self.world.is_integrated(held)
        setbacks = [gits_fault] if done else SETBACKS[held.kind]
        self.world.report(held, setbacks[how % len(setbacks)]())

    @precondition(lambda self: self.engine.queue.hints)
    @rule(which=WHICH, how=WHICH)
    def misfortune(self, which: int, how: int) -> None:
        """A message is taken, and its job does not end well."""
        held = self.world.deliver(self.any_hint(which))
        if held is not None:
            self.set_it_back(held, how)

    @precondition(lambda self: self.world.held)
    @rule(which=WHICH, integrates_first=st.booleans(), taken_over=st.booleans())
    def die(self, which: int, integrates_first: bool, taken_over: bool) -> None:
        held = self.world.held[which % len(self.world.held)]
        if held.kind == "integrate" and integrates_first and not self.world.integrate(held):
            return
        self.world.lose(held)
        self.engine.due()
        again = [hint for hint in self.engine.queue.hints if held.job_id in hint.links[:1]]
        if taken_over and again:
            self.engine.queue.hints.remove(again[0])
            self.world.deliver(again[0])

    @precondition(lambda self: self.world.lost)
    @rule(which=WHICH)
    def late_report(self, which: int) -> None:
        """A worker that was given up thaws: nothing that it says is believed."""
        taken_over = [each for each in self.world.lost if self.world.is_active(each)]
        lost = taken_over or self.world.lost
        held = lost[which % len(lost)]
        if held.kind == "integrate":
            assert not self.world.integrate(held) or self.world.is_integrated(held)
            return
        before = self.world.held[:]
        answer = self.world.succeed(held)
        assert answer is not None and not answer.accepted and not answer.chain
        assert self.world.held == before

    # The sweeper

    @rule()
    def tick(self) -> None:
        self.time_goes_by()

    def time_goes_by(self, seconds: int = 61) -> None:
        self.engine.later(seconds)
        self.engine.beat("worker")
        self.engine.tick()

    # People

    @precondition(lambda self: self.engine.status(self.execution) == "paused")
    @rule()
    def take_the_way_out(self) -> None:
        for key, state in self.engine.states(self.execution).items():
            if state in ("failed", "cancelled"):
                self.ask(task_control.retry, key)
        self.ask(control.resume)

    @rule(
        what=st.sampled_from(
            [
                control.pause,
                control.resume,
                control.test,
                control.advance,
                milestone_validated,
                rollback.rollback,
                rolled_back_to_the_beginning,
            ]
        )
    )
    def ask_of_the_execution(self, what: Any) -> None:
        self.ask(what)

    @rule(
        what=st.sampled_from([task_control.retry, task_control.cancel, skipped, rerun.rerun]),
        number=st.integers(0, 2),
        key=st.sampled_from(KEYS),
    )
    def ask_of_a_task(self, what: Any, number: int, key: str) -> None:
        if f"{number}/{key}" in self.engine.states(self.execution):
            self.ask(what, f"{number}/{key}")

    @precondition(lambda self: len(self.world.branch) > 2)
    @rule(sure=st.integers(0, 9))
    def cancel(self, sure: int) -> None:
        if sure == 9:
            self.ask(control.cancel)

    def ask(self, use_case: Any, *arguments: Any) -> None:
        """What can't be done now is refused, and changes nothing."""
        with contextlib.suppress(Refused):
            self.engine.do(use_case, self.execution, *arguments)

    # What must hold, always

    @invariant()
    def invariants_hold(self) -> None:
        invariants.hold(self.engine)

    @invariant()
    def one_commit_for_a_task(self) -> None:
        """I2 and I8: a completed task has its commit on the branch, and never a second one."""
        attempts: dict[str, set[str]] = defaultdict(set)
        commits: dict[str, str] = {}
        for task_id, attempt_id, commit in self.world.branch:
            attempts[task_id].add(attempt_id)
            commits[task_id] = commit
        assert all(len(found) == 1 for found in attempts.values())
        for row in self.engine.rows(sqlalchemy.select(tasks)):
            if row.status == "completed":
                assert row.commit == commits.get(row.id), row.key
            elif row.id in commits:
                # On its way to being told, or made void by a rollback.
                assert row.status in ("integrating", "superseded"), f"{row.key} is {row.status}"

    def teardown(self) -> None:
        """I1: from wherever it is a person gets it to its end, by the ways out that it names."""
        if self.execution:
            for held in self.world.held[:]:
                self.world.lose(held)
            self.come_to_an_end()
        self.stack.close()

    def come_to_an_end(self) -> None:
        # What met failure after failure of the infrastructure is tried again after so long.
        longest = LONGEST_WAIT // 1000 + 1
        for _ in range(30):
            self.time_goes_by(longest)
            self.world.work_off()
            invariants.hold(self.engine)
            invariants.no_dead_end(self.engine)
            if self.engine.status(self.execution) in ("completed", "cancelled"):
                return
            self.take_the_way_out()
            self.ask(control.advance)
        raise AssertionError(f"it does not end: {self.engine.execution(self.execution)}")


TestEngineModel = EngineMachine.TestCase
TestEngineModel.settings = settings(
    derandomize=True,
    max_examples=16,
    stateful_step_count=70,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
