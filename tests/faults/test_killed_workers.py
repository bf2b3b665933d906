"""`kill -9` of workers: at random, at every named crash point, and how soon work goes on."""

import random
import re
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from tests.faults.cluster import PATIENCE, ROOT, SCALED, USUAL, WORKERS, Cluster
from tests.faults.judge import judge, judge_leftovers
from tests.faults.templates import PROJECT, one_phase

POINT = re.compile(r'crash\.point\("([a-z._]+)"\)')
# Those of a rollback, which a worker of the system queue meets; agent workers meet the others.
OF_ROLLBACK = {"revert.before_update_ref", "revert.after_update_ref"}
# Those of a paid call, which tests/faults/test_killed_calls.py goes through.
OF_CALLS = {"meter.after_reserve", "meter.before_settle"}
# reliability.md: 45 s with a lease of 30 s.
RESUMED_WITHIN = 1.5 * SCALED["lease_seconds"]


def crash_points() -> set[str]:
    """Every place in the product where a process can be made to die."""
    sources = (path for path in (ROOT / "workers").rglob("*.py") if path.name != "crash.py")
    return {name for path in sources for name in POINT.findall(path.read_text())}


def crash_at(point: str, flags: Path) -> dict[str, str]:
    """The environment of a worker that dies there, if nobody has died there before."""
    return {"CONDUCTOR_CRASH_AT": point, "CONDUCTOR_CRASH_ONCE": str(flags / point)}


def test_every_crash_point(cluster: Cluster) -> None:
    """Two agent workers die at one point after the other, until each has killed one."""
    flags = cluster.home / "flags"
    flags.mkdir()
    points = sorted(crash_points() - OF_ROLLBACK - OF_CALLS)
    assert len(points) >= 15
    cluster.start("system", "isolated", "beat")
    lanes = {"agent-1": points[::2], "agent-2": points[1::2]}
    ids = [cluster.begin(PROJECT)]

    def left(lane: Sequence[str]) -> list[str]:
        return [point for point in lane if not (flags / point).exists()]

    def all_fired() -> bool:
        """Whether they have; who died is sent to the next point of its lane, or the last again."""
        for name, lane in lanes.items():
            if name not in cluster.members or not cluster.members[name].alive:
                cluster.start(name, **crash_at((left(lane) or lane)[0], flags))
                cluster.members[name].stays = False
        if cluster.status(ids[-1]) == "completed":
            ids.append(cluster.begin(PROJECT))
        return not left(points)

    cluster.wait(all_fired, lambda: f"a worker has died at {left(points)}", 2 * PATIENCE)
    for name in lanes:
        cluster.members[name].stays = True
    for id_ in ids:
        cluster.reaches(id_, "completed")
        judge(cluster, id_)
    judge_leftovers(cluster)


@pytest.mark.parametrize("seed", [1, 2])
def test_at_random_moments(cluster: Cluster, seed: int) -> None:
    chance = random.Random(seed)
    cluster.start("agent-1", "agent-2", "system", "isolated", "beat")
    cluster.ready("agent-1", "agent-2", "system")
    ids = [cluster.begin(PROJECT), cluster.begin(PROJECT)]
    kills = 0

    def over() -> bool:
        nonlocal kills
        # About one a second while there is work; the looks are 30 ms apart.
        if kills < 8 and chance.random() < 0.04:
            cluster.kill(chance.choice(["agent-1", "agent-2", "system", "isolated"]))
            kills += 1
        return all(cluster.status(id_) == "completed" for id_ in ids)

    cluster.wait(over, "both executions end", 2 * PATIENCE)
    assert kills >= 2
    for id_ in ids:
        judge(cluster, id_)
    judge_leftovers(cluster)


def test_work_goes_on_within_its_bound(cluster: Cluster) -> None:
    """I11; and the command that the dead worker had started does not outlive it."""
    cluster.start("agent-1", "system", "isolated", "beat")
    cluster.ready("agent-1", "system")
    id_ = cluster.begin(one_phase("{key: run, title: Run, agent: commander, needs: []}"))
    cluster.wait(lambda: cluster.begun("0-run"), "the task has begun")
    first = cluster.members["agent-1"]
    cluster.wait(lambda: _sleeps(first.pid), "its command runs")
    cluster.start("agent-2")
    cluster.ready("agent-2")
    first.stays = False

    cluster.kill("agent-1")
    assert first.orphans
    seconds = cluster.wait(lambda: len(cluster.begun("0-run")) == 2, "it is begun again")
    # The addition is for a machine that does other things as well.
    assert seconds < RESUMED_WITHIN + 5
    assert cluster.begun("0-run") == [first.pid, cluster.members["agent-2"].pid]
    cluster.wait(lambda: not cluster.orphans(), "its command is dead too")
    cluster.go()
    cluster.reaches(id_, "completed")
    judge(cluster, id_)
    judge_leftovers(cluster)


def test_everything_at_once(cluster: Cluster) -> None:
    """A power cut: every process is killed in mid run and comes back."""
    cluster.start(*USUAL)
    id_ = cluster.begin(PROJECT)
    cluster.wait(lambda: cluster.begun("0-base"), "the work has begun")
    cluster.kill(*WORKERS, "beat", "redis")
    cluster.reaches(id_, "completed")
    judge(cluster, id_)
    judge_leftovers(cluster)


def _sleeps(pid: int) -> bool:
    children = psutil.Process(pid).children(recursive=True)
    return any(child.name() == "sleep" for child in children)
