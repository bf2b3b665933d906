"""What `conductor run` says when nothing moves, and that it is silent while somebody works."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from conductor_app.cli.run_stall import Stall
from conductor_app.cli.run_watch import Watch
from conductor_app.domain.outcome import Failed
from conductor_app.domain.workflow import Workflow
from conductor_app.engine.heartbeat import pulse
from conductor_app.stack.supervisor_client import ProgramState
from conductor_app.store.tables import jobs
from tests.fakes.engine import Engine, engine_on, phase, task, workflow
from tests.fakes.worker import DIES, LEASE

FLOW = workflow(phase(task("a"), task("b", needs=["a"])), phase(task("c")))
RUNS = ProgramState("worker", "RUNNING", 7, 0, "")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine


class Observer:
    """Looks at an execution as a run does, and keeps what it was told of a stall."""

    def __init__(self, engine: Engine, logs: Path, flow: Workflow = FLOW, **wanted: object) -> None:
        self.engine, self.logs = engine, logs
        self.states: list[ProgramState] | None = [RUNS]
        self.id = engine.start(flow, **wanted)
        stall = Stall(self.id, self.programs, logs)
        self.steps = Watch(engine.database, self.id, 0, stall).steps()

    def programs(self) -> list[ProgramState]:
        if self.states is None:
            raise ConnectionRefusedError
        return self.states

    def look(self, seconds: float = 0) -> list[str]:
        """What is said of a stall after so many seconds more."""
        self.engine.later(seconds)
        said = [str(each) for each in next(self.steps).news]
        return [each for each in said if "Nothing has moved" in each or "a person decides" in each]


@pytest.fixture
def observer(engine: Engine, tmp_path: Path) -> Observer:
    observer = Observer(engine, tmp_path)
    assert observer.look() == []
    return observer


def test_after_half_a_minute_without_change_the_reason_is_said_once(observer: Observer) -> None:
    assert observer.look(29) == []
    (said,) = observer.look(2)
    assert "0/a: It is queued, and no worker takes the queue agent.models." in said
    assert said.endswith("See `conductor logs`")
    assert observer.look(1) == observer.look(100) == []
    assert len(observer.look(90)) == 1


def test_it_is_silent_while_a_lease_is_renewed_and_not_when_it_ran_out(observer: Observer) -> None:
    engine = observer.engine
    engine.run(outcomes={"0/a": [DIES]})
    (job,) = engine.rows(select(jobs.c.id, jobs.c.worker_id).where(jobs.c.status == "active"))
    for _ in range(10):
        engine.do(pulse, job.worker_id, [job.id], [], LEASE)
        assert observer.look(LEASE / 1000 - 1) == []
    assert observer.look(2) == []
    (said,) = observer.look(30)
    assert "Nothing has moved since" in said


def test_what_changes_begins_the_silence_anew(observer: Observer) -> None:
    assert observer.look(29) == []
    worker = observer.engine.worker()
    worker.run(lambda: bool(worker.done))
    assert observer.look(29) == observer.look(29) == []
    assert len(observer.look(2)) == 1


def test_a_retry_that_waits_for_its_time_is_no_stall(engine: Engine, tmp_path: Path) -> None:
    slow = {"max": 3, "backoff": "fixed", "base": 100}
    observer = Observer(engine, tmp_path, workflow(phase(task("a", retry=slow))))
    engine.run(outcomes={"0/a": [Failed("AGENT_ERROR", "It broke.", retryable=True)]})
    assert observer.look() == observer.look(50) == observer.look(49) == []
    assert len(observer.look(60)) == 1


def test_a_program_that_keeps_ending_is_named_with_its_last_error(observer: Observer) -> None:
    (observer.logs / "system.log").write_text(
        'Traceback (most recent call last):\n  File "x.py"\nmodule.OddError: no disk\n'
    )
    (observer.logs / "worker.log").write_text("2026-11-21 15:24:41,365 ERROR a.b Task failed\n")
    at = observer.engine.now // 1000 + 25
    observer.states = [RUNS, ProgramState("system", "BACKOFF", 0, at, "")]
    (said,) = observer.look(31)
    assert "`system` (last at " in said and "ends and is started again." in said
    assert said.endswith(f"`system` says: module.OddError: no disk. See {observer.logs}/system.log")


def test_an_error_that_was_logged_is_shown_with_what_waits(observer: Observer) -> None:
    with (observer.logs / "system.log").open("w") as log:
        log.write("2026-11-21 15:24:41,365 ERROR conductor checkpoint X failed: no such host\n")
        log.write("2026-11-21 15:24:42,365 INFO conductor Something else\n")
    (said,) = observer.look(31)
    assert "0/a: It is queued" in said
    assert "`system` says: checkpoint X failed: no such host. See " in said


def test_errors_from_before_the_silence_are_none_of_its_reasons(
    engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "system.log").write_text("2026-11-21 15:24:41,365 ERROR conductor Long ago\n")
    observer = Observer(engine, tmp_path)
    observer.look()
    (said,) = observer.look(31)
    assert "Long ago" not in said


def test_processes_that_were_stopped(observer: Observer) -> None:
    observer.states = None
    (said,) = observer.look(31)
    assert "Conductor was stopped; `conductor up` starts it" in said


@pytest.mark.parametrize(("driver", "auto_advance"), [("automatic", False), ("guided", True)])
def test_a_person_who_decides_about_the_next_phase_is_told_how(
    engine: Engine, tmp_path: Path, driver: str, auto_advance: bool
) -> None:
    flow = FLOW.model_copy(update={"driver": driver})
    observer = Observer(engine, tmp_path, flow, auto_advance=auto_advance)
    engine.run()
    observer.look()
    (said,) = observer.look(31)
    assert said.endswith(f"conductor advance --execution {observer.id}")
    assert "Nothing has moved" not in said
