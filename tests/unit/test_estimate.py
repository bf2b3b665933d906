"""Progress, document 000's estimate of completion, and estimates from history."""

import pytest

from conductor_app.domain.estimate import (
    Count,
    History,
    Work,
    completion,
    estimates,
    overall,
    progress,
    task_estimate,
)


def work(
    key: str, *needs: str, agent: str = "models", expected: float = 10, **more: object
) -> Work:
    phase = int(key.partition("/")[0])
    return Work(key, agent, phase, more.pop("milestone", None), needs, expected, **more)  # type: ignore[arg-type]


def test_a_phase_is_as_far_as_its_parts() -> None:
    assert progress(Count(total=8, done=2)) == 0.25
    assert progress(Count(total=0, done=0)) == 1.0


def test_the_whole_is_the_mean_of_its_phases_weighted_by_their_parts() -> None:
    assert overall([Count(10, 10), Count(30, 0)]) == 0.25
    assert overall([]) == 0.0
    assert overall([Count(0, 0)]) == 0.0


def test_completion_is_the_documents_formula() -> None:
    # 100 s for a quarter: 400 s in all, 300 s from now.
    assert completion(started_at=1000, now=1100, overall_progress=0.25) == 1400


def test_completion_is_now_when_everything_is_done() -> None:
    assert completion(1000, 1100, 1.0) == 1100


def test_nobody_knows_the_completion_before_there_is_progress() -> None:
    assert completion(1000, 1100, 0.0) is None


def test_a_task_is_estimated_by_itself_then_its_agent_then_its_specification() -> None:
    history = History(of_task={"0/a": [1.0, 9.0, 2.0]}, of_agent={"models": [4.0, 6.0]})
    by_itself = task_estimate(work("0/a"), history)
    by_agent = task_estimate(work("0/b"), history)
    by_specification = task_estimate(work("0/c", agent="api"), history)
    assert (by_itself.seconds, by_itself.source) == (2.0, "task")
    assert (by_agent.seconds, by_agent.source) == (5.0, "agent")
    assert (by_specification.seconds, by_specification.source) == (10.0, "specification")
    told = task_estimate(work("0/c", agent="api", expected=3, told=True), history)
    assert (told.seconds, told.source) == (3.0, "told")


@pytest.mark.parametrize(
    ("known", "left"),
    [({}, 10.0), ({"running_for": 4.0}, 6.0), ({"running_for": 40.0}, 0.0), ({"done": True}, 0.0)],
)
def test_what_is_left_of_a_task(known: dict[str, object], left: float) -> None:
    assert task_estimate(work("0/a", **known), History()).remaining == left


def test_a_phase_takes_as_long_as_its_critical_path_and_phases_follow_each_other() -> None:
    found = estimates(
        [
            work("0/a", milestone="0/first"),
            work("0/b", "0/a", expected=30, milestone="0/second"),
            work("0/c", "0/a", expected=5, milestone="0/second"),
            work("1/d", "0/c", expected=7, milestone="1/third"),
        ],
        History(),
    )
    assert found.phases == {0: 40.0, 1: 7.0}
    assert found.project == 47.0
    assert found.critical_path == ("0/a", "0/b", "1/d")
    assert found.milestones == {"0/first": 10.0, "0/second": 40.0, "1/third": 47.0}


def test_what_is_done_is_on_no_critical_path() -> None:
    found = estimates([work("0/a", done=True), work("0/b", "0/a")], History())
    assert found.critical_path == ("0/b",)
    assert found.project == 10.0


def test_nothing_to_do_takes_no_time() -> None:
    found = estimates([], History())
    assert (found.project, found.critical_path, found.phases) == (0, (), {})
