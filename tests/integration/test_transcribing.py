"""A run's transcripts and verdicts as recordings that can be read back; PostgreSQL and SQLite."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from conductor_app.domain.outcome import Conflicted, Failed, Judged, Judgement, Succeeded
from conductor_app.domain.workflow import Workflow
from conductor_app.engine import task_control
from conductor_app.engine.claim import Claim
from conductor_app.engine.generations import before
from conductor_app.engine.rerun import rerun
from conductor_app.engine.rollback import rollback
from conductor_app.queue import SYSTEM_QUEUE
from conductor_app.recordings import (
    read_recording,
    recorded_attempts,
    recorded_review,
    recording_file,
)
from conductor_app.store.tables import attempts, tasks
from conductor_app.transcribing import EFFECT, TRANSCRIPT, NothingToRecord, record
from conductor_app.views import current
from tests.fakes.engine import Engine, check, engine_on, milestone, phase, task, workflow
from tests.fakes.worker import judgements

REVIEW = {"kind": "rubric", "name": "It is right", "criteria": ["Right."], "task": "a"}
FLOW = workflow(
    phase(
        task("a", milestone="m", files=True, retry={"base": 0}),
        milestones=[milestone("m", REVIEW)],
    ),
    phase(task("b")),
)
KEY = "sk-ant-" + "0a1b2c3d" * 5


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine


def turn(number: int, *calls: dict[str, Any], **more: Any) -> dict[str, Any]:
    counted = ("input_tokens", "output_tokens", "cache_read_tokens", "cost_nano_usd")
    usage = dict.fromkeys((*counted, "cache_write_tokens"), number)
    said = {"text": f"Turn {number}, {KEY}", "tool_calls": list(calls), "usage": usage}
    return {"type": "turn", **said, "model": "m-1", "changes": False, "raw": {"x": 1}, **more}


def call(id_: str, name: str, **arguments: Any) -> dict[str, Any]:
    return {"id": id_, "name": name, "arguments": arguments}


def result(id_: str, ok: bool = True, exit_code: int | None = None) -> dict[str, Any]:
    told = {"id": id_, "ok": ok, "exit_code": exit_code, "seconds": 0.1, "output": KEY}
    return {"type": "result", **told, "kept": None}


LINES: list[dict[str, Any]] = [
    {"type": "transcript", "task": "0/a", "attempt": 1, "workflow": "w"},
    {"type": "opening", "messages": []},
    turn(1, call("c1", "run_command", command="false"), call("c4", "ask", question="Which?")),
    result("c1", ok=False, exit_code=1),
    {**result("c4"), "output": f"SQLite, not {KEY}"},
    {"type": "note", "text": "Careful."},
    turn(2, call("c2", "write_file", path="a"), stop="cut"),
    result("c2", ok=False),
    {"type": "compacted", "target": 10},
    turn(4, stop="paused"),
    turn(3, call("c3", "finish", summary="Done.")),
    result("c3"),
    {"type": "end", "outcome": "finished", "message": "Done."},
]


def judged(verdict: str) -> Judged:
    evidence = {
        "tree": f"tree-{verdict}",
        "model": "m-2",
        "criteria": [{"criterion": "Right.", "met": verdict == "passed", "reason": "So."}],
        "notes": KEY,
        "log": "So.",
    }
    told = Judgement("milestone", "0/m", "It is right", "rubric", verdict, "So.", evidence, "a")
    return Judged((told,), "a" * 40)


def done(engine: Engine, artifacts: Path, broken_off: int = -1) -> str:
    """Failed once, sent back once, and then right; the transcript of one attempt may lack its end.

    Phase 0 is complete, phase 1 failed.
    """
    right = Succeeded("did it", "a" * 40, "t")
    outcomes = {
        "0/a": [Failed("CHECK_FAILED", "no"), right, right],
        "0/m": [lambda _: judged("failed"), lambda _: judged("passed")],
        "1/b": [Failed("AGENT_ERROR", "no", retryable=False)],
    }
    id_ = engine.start(FLOW)
    engine.run(outcomes=outcomes)
    statement = select(attempts.c.id).order_by(attempts.c.id)
    for number, row in enumerate(engine.rows(statement)):
        folder = artifacts / id_ / row.id
        folder.mkdir(parents=True)
        lines = LINES[:-3] if number == broken_off else LINES
        (folder / TRANSCRIPT).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return id_


def kept(engine: Engine, id_: str, tmp_path: Path) -> Any:
    with engine.reading() as tx:
        return record(tx, current.execution(tx, id_), tmp_path / "artifacts", tmp_path / "kept")


def test_complete_phases_are_recorded(engine: Engine, tmp_path: Path) -> None:
    id_ = done(engine, tmp_path / "artifacts")
    told = kept(engine, id_, tmp_path)
    root = tmp_path / "kept"
    assert (told.last_phase, told.attempts, told.reviews) == (0, 3, 2)
    assert recorded_attempts("w", root) == {"0/a": (1, 2, 3)}
    recording = read_recording(root / "w" / "0-a.2.jsonl")
    assert (recording.header.author, recording.header.attempt) == ("m-1", 2)
    assert [each.said.text for each in recording.turns] == ["Turn 1, [masked]", "Turn 3, [masked]"]
    assert recording.turns[0].expected["c1"].exit_code == 1
    assert recording.turns[0].expected["c4"].answer == "SQLite, not [masked]"
    assert recording.turns[0].expected["c1"].answer is None
    review = recorded_review("w", "It is right", "tree-failed", root)
    assert review is not None and not review.criteria[0].met
    assert recorded_review("w", "It is right", "another", root) is None
    assert KEY not in "".join(file.read_text() for file in (root / "w").iterdir())


def test_an_attempt_that_broke_off_is_left_out(engine: Engine, tmp_path: Path) -> None:
    """Where it is replayed it never happened, so those after it come one earlier."""
    id_ = done(engine, tmp_path / "artifacts", broken_off=0)
    assert kept(engine, id_, tmp_path).attempts == 2
    assert recorded_attempts("w", tmp_path / "kept") == {"0/a": (1, 2)}


def test_what_was_recorded_before_is_replaced(engine: Engine, tmp_path: Path) -> None:
    old = tmp_path / "kept" / "w" / "0-a.7.jsonl"
    old.parent.mkdir(parents=True)
    old.touch()
    kept(engine, done(engine, tmp_path / "artifacts"), tmp_path)
    assert not old.exists()


def test_what_no_file_can_hold_costs_no_recording(engine: Engine, tmp_path: Path) -> None:
    id_ = done(engine, tmp_path / "artifacts")
    for file in (tmp_path / "artifacts").rglob(TRANSCRIPT):
        file.write_text(file.read_text().replace("Turn 1", r"Turn \ud83d \udc80 1"))
    kept(engine, id_, tmp_path)
    recording = read_recording(tmp_path / "kept" / "w" / "0-a.2.jsonl")
    assert recording.turns[0].said.text.startswith("Turn ? ? 1")


def by_a_program(folder: Path, *lines: dict[str, Any]) -> None:
    """As if a program had done this attempt."""
    (folder / TRANSCRIPT).unlink()
    (folder / EFFECT).write_text("".join(json.dumps(line) + "\n" for line in lines))


def attempts_of(engine: Engine, id_: str, artifacts: Path) -> list[Path]:
    return [artifacts / id_ / row.id for row in engine.rows(select(attempts.c.id))]


UNRECORDABLE = {"type": "unrecordable", "reason": "a.png is no text"}


def test_what_a_program_did_is_recorded_as_its_effect(engine: Engine, tmp_path: Path) -> None:
    id_ = done(engine, tmp_path / "artifacts")
    for folder in attempts_of(engine, id_, tmp_path / "artifacts"):
        by_a_program(folder, *LINES[2:5], *LINES[9:11])
    assert kept(engine, id_, tmp_path).attempts == 3
    recording = read_recording(tmp_path / "kept" / "w" / "0-a.3.jsonl")
    assert [each.said.text for each in recording.turns] == ["Turn 1, [masked]", "Turn 3, [masked]"]


def test_an_attempt_that_no_recording_can_do_is_left_out_and_said(
    engine: Engine, tmp_path: Path
) -> None:
    id_ = done(engine, tmp_path / "artifacts")
    failed, *_ = attempts_of(engine, id_, tmp_path / "artifacts")
    by_a_program(failed, UNRECORDABLE)
    told = kept(engine, id_, tmp_path)
    assert recorded_attempts("w", tmp_path / "kept") == {"0/a": (1, 2)}
    assert "\n          Left out: 0/a, attempt 1: a.png is no text." in str(told)


def test_without_one_whose_work_was_taken_nothing_is_recorded(
    engine: Engine, tmp_path: Path
) -> None:
    """Half a phase can't be replayed, and must not hide a recording that is whole."""
    id_ = done(engine, tmp_path / "artifacts")
    [_, taken, *_] = attempts_of(engine, id_, tmp_path / "artifacts")
    by_a_program(taken, UNRECORDABLE)
    with pytest.raises(NothingToRecord, match=r"Nothing is recorded\. 0/a, attempt 2: a\.png is"):
        kept(engine, id_, tmp_path)
    assert not (tmp_path / "kept").exists()


def test_what_left_no_trace_is_no_recording(engine: Engine, tmp_path: Path) -> None:
    id_ = done(engine, tmp_path / "artifacts")
    for folder in attempts_of(engine, id_, tmp_path / "artifacts"):
        (folder / TRANSCRIPT).unlink()
    with pytest.raises(NothingToRecord, match="0/a, attempt 2: nothing was kept of it"):
        kept(engine, id_, tmp_path)
    assert not (tmp_path / "kept").exists()


def test_a_first_phase_that_is_not_complete_is_nothing(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(NothingToRecord, match="not even the first phase is complete"):
        kept(engine, engine.start(FLOW), tmp_path)


def test_being_sent_back_counts_in_the_key_of_a_recording(engine: Engine, tmp_path: Path) -> None:
    id_ = done(engine, tmp_path / "artifacts")
    [note] = engine.task(id_, "0/a").notes
    # One failure, one refusal.
    assert (note["before"], note["review"]) == (2, True)
    [review, *_] = [job for job in engine.jobs(id_, "check") if "milestone" in job.payload]
    assert review.queue == "agent.validator"


RIGHT = Succeeded("did it", "a" * 40, "t")
WRONG = Failed("CHECK_FAILED", "no")
FAILS_FOR_GOOD = Failed("AGENT_ERROR", "no", retryable=False)
REFUSED, APPROVED = judged("failed"), judged("passed")


def under_way(engine: Engine, flow: Workflow = FLOW, **outcomes: list[Any]) -> str:
    """An execution at which all was done that can be, by task or milestone."""
    id_ = engine.start(flow)
    goes_on(engine, **outcomes)
    return id_


def goes_on(engine: Engine, **outcomes: list[Any]) -> None:
    engine.run(outcomes={f"{name[-1]}/{name[0]}": each for name, each in outcomes.items()})


def played(engine: Engine, id_: str, tmp_path: Path) -> dict[str, list[int]]:
    """What is recorded of each task: its attempts, counted as they came in the run."""
    counts: Counter[str] = Counter()
    of = select(attempts.c.id, tasks.c.key).join(tasks, tasks.c.id == attempts.c.task_id)
    for row in engine.rows(of.order_by(attempts.c.id)):
        counts[row.key] += 1
        folder = tmp_path / "artifacts" / id_ / row.id
        folder.mkdir(parents=True)
        lines = [turn(counts[row.key], call("c", "finish")), result("c")]
        (folder / TRANSCRIPT).write_text("".join(json.dumps(line) + "\n" for line in lines))
    kept(engine, id_, tmp_path)
    root = tmp_path / "kept"
    return {
        key: [
            read_recording(recording_file("w", key, number, root)).turns[0].said.usage.input_tokens
            for number in numbers
        ]
        for key, numbers in recorded_attempts("w", root).items()
    }


def sent_back(engine: Engine) -> None:
    """The work of 0/b is, by its milestone, before 0/a has brought any."""

    def refused(claim: Claim) -> Judged:
        engine.later(1)
        return Judged(judgements(claim, "failed", "no"), claim.tip)

    engine.run(outcomes={"0/n": [refused]}, queues=["agent.models", SYSTEM_QUEUE])


class TestWhatAPersonHadDoneAgain:
    """Nobody does it again in a replay, and that comes to the same tree."""

    def test_what_failed_for_good_before_a_retry_is_not_played(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        id_ = under_way(engine, a0=[WRONG, FAILS_FOR_GOOD])
        engine.do(task_control.retry, id_, "0/a")
        goes_on(engine, a0=[WRONG, RIGHT], m0=[APPROVED])
        assert played(engine, id_, tmp_path) == {"0/a": [3, 4], "1/b": [1]}

    def test_what_was_sent_back_before_that_is(self, engine: Engine, tmp_path: Path) -> None:
        id_ = under_way(engine, a0=[WRONG, RIGHT, WRONG, FAILS_FOR_GOOD], m0=[REFUSED])
        engine.do(task_control.retry, id_, "0/a")
        asked: list[int] = []

        def right(claim: Claim) -> Succeeded:
            asked.append(claim.failures + before(claim.notes) + 1)
            return RIGHT

        goes_on(engine, a0=[right], m0=[APPROVED])
        assert played(engine, id_, tmp_path) == {"0/a": [1, 2, 5], "1/b": [1]}
        # As the third it is played, too.
        assert asked == [3]

    def test_a_rerun_is_played_in_the_place_of_what_it_took_back(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        id_ = engine.start(FLOW)
        engine.run(until=lambda: engine.milestone(id_, "0/m").status == "validating")
        engine.do(rerun, id_, "0/a")
        goes_on(engine, a0=[WRONG, RIGHT], m0=[APPROVED])
        assert played(engine, id_, tmp_path) == {"0/a": [2, 3], "1/b": [1]}

    def test_of_a_phase_that_was_rolled_back_the_last_course_is_played(
        self, engine: Engine, tmp_path: Path
    ) -> None:
        id_ = under_way(engine, a0=[RIGHT, WRONG, RIGHT], m0=[REFUSED], b1=[FAILS_FOR_GOOD])
        for to in (0, 1):
            engine.do(rollback, id_, to)
            goes_on(engine, b1=[FAILS_FOR_GOOD])
        engine.do(rerun, id_, "1/b")
        goes_on(engine)
        assert played(engine, id_, tmp_path) == {"0/a": [4], "1/b": [4]}

    def test_what_no_replay_does_at_that_time_is_said(self, engine: Engine, tmp_path: Path) -> None:
        """A replay does it first, so that what was sent back might not be."""
        pair = phase(
            task("a", milestone="m", files=True),
            task("b", milestone="n", files=True),
            task("c", "api"),
            milestones=[milestone(key, check()) for key in "mn"],
        )
        id_ = engine.start(workflow(pair))
        sent_back(engine)
        assert engine.task(id_, "0/b").generation == 2
        engine.later(1)
        engine.do(rerun, id_, "0/a")
        engine.run()
        assert engine.status(id_) == "completed"
        with pytest.raises(NothingToRecord, match="0/a: a person had it done again, later than"):
            played(engine, id_, tmp_path)

    def test_so_is_a_retry_at_such_a_time(self, engine: Engine, tmp_path: Path) -> None:
        pair = phase(
            task("a", "api", milestone="m", files=True),
            task("b", milestone="n", files=True),
            milestones=[milestone(key, check()) for key in "mn"],
        )
        id_ = engine.start(workflow(pair))
        sent_back(engine)
        engine.run(outcomes={"0/a": [FAILS_FOR_GOOD]})
        engine.later(1)
        engine.do(task_control.retry, id_, "0/a")
        engine.run()
        assert engine.status(id_) == "completed"
        with pytest.raises(NothingToRecord, match="0/a: a person had it done again, later than"):
            played(engine, id_, tmp_path)


def test_work_that_conflicted_is_not_played(engine: Engine, tmp_path: Path) -> None:
    id_ = engine.start(FLOW)
    conflict: list[Any] = [Conflicted("both changed it"), None]
    engine.run(outcomes={"0/a": [WRONG], "integrate": conflict, "0/m": [APPROVED]})
    assert played(engine, id_, tmp_path) == {"0/a": [1, 3], "1/b": [1]}
