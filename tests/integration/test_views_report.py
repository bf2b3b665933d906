"""The report: phases, evidence, attempts, commits, money; and what it says of replays."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from conductor_app.cli.run_report import report_lines
from conductor_app.domain.outcome import Failed, Judged, Judgement, Succeeded, Usage
from conductor_app.engine import task_control
from conductor_app.errors import NotFound
from conductor_app.store import records
from conductor_app.views import lists
from conductor_app.views.report import markdown, report
from tests.fakes.engine import Engine, check, engine_on, milestone, phase, task, workflow
from tests.fakes.worker import judgements

FLOW = workflow(
    phase(
        task("a", milestone="m", files=True, retry={"base": 0}),
        task("b", "api", needs=["a"], files=True),
        goal="Make | it",
        milestones=[milestone("m", check("it builds"))],
        exit_criteria=[check("it runs")],
        tests=[check("its suite passes")],
    ),
    phase(task("c", "test")),
)
PROOF = Judgement(
    "task",
    "0/a",
    "file there",
    "file",
    "passed",
    "ok",
    {"command": "test -f a", "exit_code": 0, "duration": 0.25, "commit": "c" * 40, "log_path": "x"},
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    with engine_on(database_url) as engine:
        yield engine


@pytest.fixture
def done(engine: Engine) -> str:
    """Phase 0 done after a failed attempt and a failed milestone, and nothing more wanted."""
    id_ = engine.start(FLOW, target_phase=0)
    failed = Failed("CHECK_FAILED", "1 test failed", "log", usage=Usage(2, 100, 20, 5, 3_000_000))
    commit = "a" * 40

    def succeeded(_: Any) -> Succeeded:
        engine.later(10)
        return Succeeded("did it", commit, "t", Usage(1, 1000, 200, 0, 1_000), (PROOF,), "sandlock")

    bad = [lambda claim: Judged(judgements(claim, "failed", "no luck"), claim.tip)]
    engine.run(outcomes={"0/a": [failed, succeeded, succeeded], "0/m": bad})
    assert engine.status(id_) == "completed"
    return id_


def test_the_header_says_what_it_was_and_how_it_ended(engine: Engine, done: str) -> None:
    found = engine.do(report, done)["execution"]
    assert (found["workflow"], found["project"], found["status"]) == ("w", "demo", "completed")
    assert (found["connector"], found["replay"]) == ("replay", True)
    assert found["branch"] == f"conductor/{done}"
    assert found["overall_progress"] == 1.0
    assert found["seconds"] == 20.0


def test_usage_adds_up_over_all_attempts(engine: Engine, done: str) -> None:
    found = engine.do(report, done)["totals"]
    # One failed, one that its milestone refused, the one after, and task b.
    assert (found["attempts"], found["retries"]) == (4, 2)
    assert found["usage"] == {
        "turns": 4,
        "input_tokens": 2100,
        "output_tokens": 420,
        "cache_read_tokens": 5,
        "cost_usd": "0.003002",
    }
    assert found["tasks"] == {"total": 2, "completed": 2}
    assert found["working_seconds"] == 20.0


def test_milestones_and_phases_show_the_evidence_of_the_last_judgement(
    engine: Engine, done: str
) -> None:
    first = engine.do(report, done)["phases"][0]
    (reached,) = first["milestones"]
    (proof,) = reached["checks"]
    assert (proof["name"], proof["verdict"], proof["command"]) == ("it builds", "passed", "true")
    assert (proof["exit_code"], proof["seconds"]) == (0, 0.5)
    assert reached["status"] == "completed"
    assert [each["name"] for each in first["exit_criteria"]] == ["it runs"]
    assert [each["name"] for each in first["tests"]] == ["its suite passes"]
    assert first["progress"] == 1.0


def test_tasks_show_every_attempt_of_every_generation(engine: Engine, done: str) -> None:
    first = engine.do(report, done)["phases"][0]["tasks"][0]
    assert first["key"] == "0/a"
    assert [each["status"] for each in first["attempts"]] == ["failed", "succeeded", "succeeded"]
    assert first["attempts"][1]["checks"][0]["command"] == "test -f a"
    assert first["attempts"][1]["sandbox"] == "sandlock"
    assert {each["connector"] for each in first["attempts"]} == {"replay"}
    assert first["usage"]["cost_usd"] == "0.003002"


def test_commits_are_those_of_the_branch_in_their_order(engine: Engine, done: str) -> None:
    found = engine.do(report, done)["commits"]
    told = [(each["task"], each["generation"], each["replaced"]) for each in found]
    assert told == [("0/a", 1, True), ("0/b", 1, False), ("0/a", 2, False)]
    assert found[1]["commit"] == engine.task(done, "0/b").commit
    assert "a (done again since)" in markdown(engine.do(report, done))


def test_agents_have_their_metrics(engine: Engine, done: str) -> None:
    found = engine.do(report, done)["agents"]
    # The first generation of task a was completed as well.
    assert found["agent-models"] == {
        "tasksCompleted": 2,
        "tasksFailed": 0,
        "averageDuration": 10.0,
        "successRate": 1.0,
    }
    assert found["agent-test"]["successRate"] is None


def test_phases_that_are_not_wanted_or_not_recorded(engine: Engine, done: str) -> None:
    phases = engine.do(report, done)["phases"]
    assert [each["inside"] for each in phases] == [True, False]
    assert [each["recorded"] for each in phases] == [False, False]
    text = markdown(engine.do(report, done))
    assert "Not part of this execution." in text
    assert "Not recorded: no replay can do this phase" in text


def test_what_is_recorded_is_known_from_the_recordings(engine: Engine) -> None:
    flow = workflow(
        phase(task("base-dependencies")), phase(task("never-recorded")), name="project-conductor"
    )
    found = engine.do(report, engine.start(flow))
    assert [each["recorded"] for each in found["phases"]] == [True, False]


def test_a_live_execution_is_not_called_a_replay(engine: Engine) -> None:
    id_ = engine.start(FLOW, connector="claude")
    text = markdown(engine.do(report, id_))
    assert "Replay" not in text
    assert "Not recorded" not in text


def test_a_run_that_is_replayed_in_part_says_which_phases_and_what_was_paid(engine: Engine) -> None:
    """As with `--from 1`: what the recording counts is nobody's money, the rest is."""
    flow = workflow(phase(task("a")), phase(task("b")), phase(task("c")), name="in-part")
    id_ = engine.start(flow, connector="claude", replay_before=1, target_phase=1)
    recorded = Succeeded("did it", usage=Usage(1, 700, 70), connector="replay")
    paid = Succeeded("did it", usage=Usage(2, 100, 20, 0, 3_000_000), connector="claude")
    engine.run(outcomes={"0/a": [recorded], "1/b": [paid]})
    found = engine.do(report, id_)
    execution, totals = found["execution"], found["totals"]
    assert (execution["replay"], execution["replayed"]) == (False, "phase 0")
    assert (totals["usage"]["input_tokens"], totals["usage"]["cost_usd"]) == (100, "0.003")
    assert totals["replayed_usage"]["input_tokens"] == 700
    text = markdown(found)
    assert "> **Replay of phase 0.**" in text and "> **Replay.**" not in text
    assert "| Replayed | phase 0: 700 in, 70 out, 0 from the cache, as recorded; nothing" in text
    bill = "\n".join(report_lines(found, ""))
    assert ": complete up to phase 1 (replay of phase 0)" in bill
    assert "Tokens    100 in, 20 out\n          700 in, 70 out of phase 0, as recorded; " in bill
    assert "Cost      0.003 USD\n" in bill
    assert "Not done" not in bill


def test_agents_in_python_need_no_recording(engine: Engine) -> None:
    flow = workflow(phase(task("a", "own")), agents={"own": {"function": "pkg:Own"}})
    id_ = engine.start(flow)
    found = engine.do(report, id_)
    assert found["phases"][0]["recorded"] is True
    assert (found["execution"]["connector"], found["execution"]["replay"]) == ("function", False)


def test_errors_and_lessons_of_this_execution_only(engine: Engine) -> None:
    other, id_ = engine.start(FLOW), engine.start(FLOW)
    engine.do(records.add_lesson, other, "pattern", "of another", phase=0, agent=None)
    engine.do(records.add_lesson, id_, "success", "of this", phase=0, agent="api", impact="much")
    engine.do(records.add_error, id_, 0, "high", "X", "it broke", agent="api", task_key="0/b")
    found = engine.do(report, id_)
    assert [each["description"] for each in found["lessons"]] == ["of this"]
    assert [each["message"] for each in found["errors"]] == ["it broke"]
    text = markdown(found)
    assert "**high** Phase 0 - agent-api: `X`: it broke" in text
    assert "*success*: of this (much)" in text


def test_the_text_has_it_all(engine: Engine, done: str) -> None:
    found = engine.do(report, done)
    text = markdown(found)
    assert text.startswith("# W: demo\n\n> **Replay.**")
    assert "| Status | ✅ completed |" in text
    assert "Make \\| it" in text
    assert "- ✅ it runs (`true`, exit code 0, 0.5 s, commit `" in text
    assert "| Cost | 0.003002 USD |" in text
    proof = "✅ file there (`test -f a`, exit code 0, 0.2 s, commit `cccccccccccc`, log `x`)"
    assert f"\n\n- `0/a`\n  - {proof}\n" in text
    assert "Tasks     2 of 2 completed, 1 check passed\n" in "\n".join(report_lines(found, ""))
    commit = engine.task(done, "0/a").commit
    assert (
        f"| `0/a` | agent-models | ✅ completed | 3 | sandlock | 20 s | `{commit[:12]}` |" in text
    )


def test_an_execution_that_changed_nothing_says_so(engine: Engine) -> None:
    id_ = engine.start(workflow(phase(task("a", files=True))))
    engine.run(outcomes={"0/a": [Succeeded("Nothing to do.")]})
    told = "\n".join(report_lines(engine.do(report, id_), "/srv/shop"))
    assert "\nNo commit: no file was changed.\n" in told
    assert "\nAttempts  1\n" in told


def test_a_failed_attempt_has_its_kind_and_what_it_left(engine: Engine) -> None:
    id_ = engine.start(FLOW, target_phase=0)
    ref = "refs/conductor/kept/1"
    failed = Failed(
        "NO_RESULT",
        "It said nothing.",
        retryable=False,
        kept=ref,
        sandbox="sandlock",
        judgements=(replace(PROOF, verdict="failed", message="no such file"),),
    )
    engine.run(outcomes={"0/a": [failed]})
    found = engine.do(report, id_)
    assert found["phases"][0]["tasks"][0]["attempts"][0]["kept"] == ref
    text = markdown(found)
    line = "- `0/a`, attempt 1 (sandbox: sandlock): `NO_RESULT`: It said nothing."
    line += f" Its work: `git show {ref}`\n  - ❌ file there: no such file (`test -f a`"
    assert f"## Attempts that failed\n\n{line}" in text
    assert "| ❌ failed: `NO_RESULT`: It said nothing. |" in text
    assert "agent-models: `NO_RESULT`: It said nothing." in text
    bill = "\n".join(report_lines(found, "/srv/my shop"))
    assert "0/a, attempt 1: NO_RESULT: It said nothing.\n" in bill
    assert f"      Its work: git -C '/srv/my shop' show {ref}\n" in bill
    assert f"{ref}, in the worker's mirror" in "\n".join(report_lines(found, "https://a.b/c.git"))


def test_attempts_of_different_generations_are_told_apart(engine: Engine) -> None:
    """Each generation counts its own."""
    id_ = engine.start(FLOW, target_phase=0)
    broken = Failed("AGENT_ERROR", "broken", retryable=False)
    engine.run(outcomes={"0/a": [broken]})
    engine.do(task_control.retry, id_, "0/a")
    engine.run(outcomes={"0/a": [broken]})
    found = engine.do(report, id_)
    tries = found["phases"][0]["tasks"][0]["attempts"]
    assert [(each["generation"], each["number"]) for each in tries] == [(1, 1), (2, 1)]
    bill, text = "\n".join(report_lines(found, "")), markdown(found)
    for number in ("attempt 1", "attempt 1 of generation 2"):
        assert f"0/a, {number}: AGENT_ERROR: broken\n" in bill
        assert f"- `0/a`, {number}: `AGENT_ERROR`: broken\n" in text
    with engine.reading() as tx:
        assert [each["generation"] for each in lists.attempts(tx, id_).items] == [1, 2]


def test_what_a_person_skipped_has_its_reason(engine: Engine) -> None:
    flow = workflow(phase(*map(task, "ab")), phase(task("c")), name="not-recorded")
    id_ = engine.start(flow, target_phase=0)
    engine.do(task_control.skip, id_, "0/a", "Not | needed\nyet")
    engine.do(task_control.skip, id_, "0/b", "nor this")
    found = engine.do(report, id_)
    assert "| ⏭️ skipped: Not \\| needed yet |" in markdown(found)
    told = "\n".join(report_lines(found, ""))
    assert (
        "\nNot done  No recording of phases 0 (Phase 0), 1 (Phase 1); they need a model\n"
        "          0/a, which a person skipped: Not | needed yet\n"
        "          0/b, which a person skipped: nor this\n"
    ) in told


def test_a_report_is_plain_json_at_every_moment(engine: Engine) -> None:
    id_ = engine.start(FLOW)
    worker = engine.worker()
    before = json.dumps(engine.do(report, id_))
    worker.run(until=lambda: len(worker.done) == 3)
    engine.do(task_control.skip, id_, "1/c", "not needed")
    after = engine.do(report, id_)
    assert before and json.loads(json.dumps(after)) == after
    assert markdown(after)


def test_a_report_of_nothing(engine: Engine) -> None:
    with pytest.raises(NotFound):
        engine.do(report, "nothing")
