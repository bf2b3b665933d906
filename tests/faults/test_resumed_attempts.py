"""`kill -9` in mid attempt with a model: its successor goes on from the last whole turn.

The model server counts the turns: a turn that is paid for is not asked for again.
"""

import signal
import subprocess
from collections.abc import Callable

import pytest
from sqlalchemy import select

from conductor_app.engine import decisions
from conductor_app.store.tables import attempts, tasks
from conductor_app.views.decisions import listed
from tests.fakes.model_server import Ask, Reply, Space, rate_limited, says
from tests.faults.cluster import Cluster
from tests.faults.judge import branch_of, judge, judge_leftovers
from tests.faults.templates import one_phase

WORK = one_phase("{key: work, title: Work, agent: worker, needs: []}").replace(
    "phases:\n", "  worker: {title: Works, connector: claude}\nphases:\n"
)
TURNS = (
    says("I begin.", ("write_file", {"path": "one.txt", "content": "1"})),
    says("I go on.", ("write_file", {"path": "two.txt", "content": "2"})),
    says("I look.", ("run_command", {"command": "cat one.txt two.txt"})),
    says("", ("finish", {"summary": "Both are there."})),
)


@pytest.fixture
def models(model_server: Space, monkeypatch: pytest.MonkeyPatch) -> Space:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-0123456789")
    monkeypatch.setenv("CONDUCTOR_CLAUDE_BASE_URL", model_server.url("played"))
    return model_server


class Play:
    """The turns in order; `at` is called once, in the middle of that turn of the model."""

    def __init__(self, models: Space, *turns: Reply) -> None:
        self.asked: list[int] = []
        self.heard: list[Ask] = []
        self._turns = turns
        self._at: dict[int, Callable[[], object]] = {}
        models.add("played", script=self._say)

    def at(self, turn: int, act: Callable[[], object]) -> None:
        self._at[turn] = act

    def _say(self, ask: Ask) -> Reply:
        self.asked.append(ask.turn)
        self.heard.append(ask)
        if act := self._at.pop(ask.turn, None):
            act()
        return self._turns[ask.turn - 1]


def ends(cluster: Cluster) -> list[str]:
    statement = select(attempts.c.status).join(tasks, tasks.c.id == attempts.c.task_id)
    with cluster.conductor.read() as tx:
        rows = tx.all(statement.where(tasks.c.key == "0/work").order_by(attempts.c.number))
    return [row.status for row in rows]


def brought(cluster: Cluster, execution_id: str) -> dict[str, str]:
    """The files of the one commit that the execution's branch has got."""
    (commit,) = branch_of(cluster.repository, judge(cluster, execution_id).execution)
    judge_leftovers(cluster)
    git = ("git", "-C", str(cluster.repository))
    listed = _output(*git, "diff-tree", "--no-commit-id", "--name-only", "-r", commit.sha)
    return {name: _output(*git, "show", f"{commit.sha}:{name}") for name in listed.split()}


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


BOTH = {"one.txt": "1", "two.txt": "2"}


def begin(cluster: Cluster, **environment: str) -> str:
    cluster.start("agent", **environment)
    cluster.start("system", "isolated", "beat")
    return cluster.begin(WORK)


def test_it_goes_on_from_its_last_whole_turn(models: Space, cluster: Cluster) -> None:
    play = Play(models, *TURNS)
    play.at(3, lambda: cluster.kill("agent"))
    one = begin(cluster)
    cluster.reaches(one, "completed")
    assert play.asked == [1, 2, 3, 3, 4]
    assert ends(cluster) == ["lost", "succeeded"]
    # What the third turn's command saw, on the files of the first two.
    assert play.heard[-1].results[-1].text.endswith("12")
    assert "interrupted" in play.heard[3].said
    assert brought(cluster, one) == BOTH


def test_it_is_killed_again_and_again(models: Space, cluster: Cluster) -> None:
    play = Play(models, *TURNS)
    play.at(2, lambda: cluster.kill("agent"))
    play.at(4, lambda: [cluster.kill(name) for name in ("agent", "isolated")])
    one = begin(cluster)
    cluster.reaches(one, "completed")
    assert play.asked == [1, 2, 2, 3, 4, 4]
    assert ends(cluster) == ["lost", "lost", "succeeded"]
    assert brought(cluster, one) == BOTH


def test_a_tool_that_had_begun_ends_before_its_draining_worker_does(
    models: Space, cluster: Cluster
) -> None:
    """So its turn is whole: nothing is asked, paid for or done again."""
    begun = cluster.control / "begun"
    command = f"echo x >> {begun}; while [ ! -e {cluster.control}/go ]; do sleep 0.05; done"
    look = says("I look.", ("run_command", {"command": f"{command}; cat one.txt"}))
    play = Play(models, *TURNS[:2], look, TURNS[3])
    one = begin(cluster)
    cluster.wait(begun.exists, "the command runs")
    cluster.signal("agent", signal.SIGTERM)
    cluster.wait(lambda: "is draining" in cluster.log_of("agent"), "the worker drains")
    cluster.go()
    cluster.reaches(one, "completed")
    assert play.asked == [1, 2, 3, 4]
    assert ends(cluster) == ["released", "succeeded"]
    assert begun.read_text() == "x\n"
    assert brought(cluster, one) == BOTH


def test_a_turn_whose_tools_had_begun_is_not_repeated_blindly(
    models: Space, cluster: Cluster
) -> None:
    """Nobody knows what its command has done: the work starts over, in a fresh worktree."""
    begun = cluster.control / "begun"
    command = (
        f"echo more >> one.txt; echo x >> {begun}; while [ ! -e {cluster.control}/go ]; do :; done"
    )
    play = Play(
        models, TURNS[0], says("I run it.", ("run_command", {"command": command})), *TURNS[1:]
    )
    one = begin(cluster)
    cluster.wait(begun.exists, "the command runs")
    cluster.kill("agent")
    cluster.go()
    cluster.reaches(one, "completed")
    assert play.asked == [1, 2, 1, 2, 3, 4, 5]
    # The second time it finds what the first turn wrote, not what the lost command added.
    assert brought(cluster, one) == {"one.txt": "1more\n", "two.txt": "2"}


def test_without_the_files_it_starts_over(models: Space, cluster: Cluster) -> None:
    def lose() -> None:
        cluster.kill("agent")
        for worktree in cluster.settings.places.worktrees.glob("*/"):
            (worktree / "one.txt").unlink()
            worktree.rename(cluster.home / worktree.name)

    play = Play(models, *TURNS)
    play.at(2, lose)
    one = begin(cluster)
    cluster.reaches(one, "completed")
    assert play.asked == [1, 2, 1, 2, 3, 4]
    assert brought(cluster, one) == BOTH


def test_what_was_finished_is_not_asked_for_again(models: Space, cluster: Cluster) -> None:
    play = Play(models, *TURNS)
    flag = {
        "CONDUCTOR_CRASH_AT": "attempt.after_agent",
        "CONDUCTOR_CRASH_ONCE": f"{cluster.home}/x",
    }
    one = begin(cluster, **flag)
    cluster.reaches(one, "completed")
    assert play.asked == [1, 2, 3, 4]
    assert ends(cluster) == ["lost", "succeeded"]
    assert brought(cluster, one) == BOTH


def test_a_drained_worker_hands_its_work_on(models: Space, cluster: Cluster) -> None:
    play = Play(models, *TURNS)
    play.at(3, lambda: cluster.signal("agent", signal.SIGTERM))
    one = begin(cluster)
    cluster.reaches(one, "completed")
    assert play.asked in ([1, 2, 3, 4], [1, 2, 3, 3, 4])
    assert ends(cluster) == ["released", "succeeded"]
    assert brought(cluster, one) == BOTH


def test_too_many_calls_are_waited_for_without_a_worker(models: Space, cluster: Cluster) -> None:
    """The limit of the provider is met twice; other work is done meanwhile."""
    play = Play(models, *TURNS)
    models.fail("played", rate_limited(1), 2, 4)
    one = begin(cluster)
    cluster.reaches(one, "completed")
    assert play.asked == [1, 2, 3, 4]
    assert ends(cluster) == ["suspended", "suspended", "succeeded"]
    assert brought(cluster, one) == BOTH


ASKS = (
    TURNS[0],
    says("I ask.", ("ask", {"question": "One or two?", "options": ["One", "Two"]})),
    *TURNS[1:],
)
ASKED = WORK.replace(
    "needs: []}", "needs: []}\n      - {key: look, title: Look, agent: looker, needs: []}"
)


def test_a_question_waits_without_a_worker(models: Space, cluster: Cluster) -> None:
    """Nobody is held up by it, and no worker that was there when it was asked is needed."""
    play = Play(models, *ASKS)
    cluster.start("agent", "system", "isolated", "beat")
    one = cluster.begin(ASKED)
    cluster.wait(lambda: pending(cluster), "it has asked")
    cluster.wait(
        lambda: task_states(cluster) == {"0/work": "waiting", "0/look": "completed"}, "others go on"
    )
    cluster.kill("agent")
    cluster.look_after()
    cluster.ready("agent")
    assert (play.asked, ends(cluster)) == ([1, 2], ["suspended"])

    with cluster.conductor.transaction() as tx:
        decisions.decide(tx, pending(cluster)[0], "two")
    cluster.reaches(one, "completed")
    assert play.asked == [1, 2, 3, 4, 5]
    assert play.heard[2].results[0].text == "Two"
    assert ends(cluster) == ["suspended", "succeeded"]
    assert brought(cluster, one) == BOTH


def pending(cluster: Cluster) -> list[str]:
    with cluster.conductor.read() as tx:
        return [row["id"] for row in listed(tx, status="pending").items]


def task_states(cluster: Cluster) -> dict[str, str]:
    with cluster.conductor.read() as tx:
        return {row.key: row.status for row in tx.all(select(tasks.c.key, tasks.c.status))}
