"""A worker that is frozen past its lease and then thawed: it is late, and refused."""

import signal
from pathlib import Path

import pytest

from tests.faults.cluster import Cluster
from tests.faults.judge import judge, judge_leftovers
from tests.faults.templates import one_phase

LATE = "came too late and was refused"


def test_its_late_report_is_refused(cluster: Cluster) -> None:
    cluster.start("agent-1", "agent-2", "system", "isolated", "beat")
    cluster.ready("agent-1", "agent-2", "system")
    id_ = cluster.begin(one_phase("{key: wait, title: Wait, agent: waiter, needs: []}"))
    cluster.wait(lambda: cluster.begun("0-wait"), "it has begun")
    pid = cluster.begun("0-wait")[0]
    (frozen,) = (name for name, member in cluster.members.items() if member.pid == pid)
    cluster.freeze(frozen)
    cluster.wait(lambda: len(cluster.begun("0-wait")) == 2, "another worker has begun it")
    assert cluster.begun("0-wait")[1] != pid
    cluster.go()
    cluster.reaches(id_, "completed")
    cluster.thaw(frozen)
    cluster.wait(lambda: LATE in cluster.log_of(frozen), "the late report is refused")
    found = judge(cluster, id_)
    judge_leftovers(cluster)
    assert [row.status for row in found.attempts] == ["lost", "succeeded"]
    assert len(found.branch) == 1


@pytest.mark.parametrize("point", ["integrate.before_check", "integrate.before_update_ref"])
def test_frozen_while_it_brings_its_work_home(cluster: Cluster, point: str) -> None:
    """Even right before the branch is moved: somebody else has done so, and it is done once."""
    flag = cluster.home / "frozen"
    cluster.start(
        "agent",
        CONDUCTOR_CRASH_AT=point,
        CONDUCTOR_CRASH_ONCE=str(flag),
        CONDUCTOR_CRASH_SIGNAL=signal.SIGSTOP.name,
    )
    cluster.start("system", "isolated", "beat")
    cluster.ready("agent", "system")
    id_ = _frozen(cluster, flag)
    cluster.reaches(id_, "completed")
    noticed = cluster.log_of("agent").count(LATE)
    cluster.thaw("agent")
    cluster.wait(
        lambda: cluster.log_of("agent").count(LATE) > noticed, "it has noticed that it is late"
    )
    found = judge(cluster, id_)
    judge_leftovers(cluster)
    assert len(found.branch) == len(found.attempts) == 1


def _frozen(cluster: Cluster, flag: Path) -> str:
    """An execution whose worker was frozen; its heart was not writing then, for all would wait."""
    while True:
        id_ = cluster.begin(one_phase("{key: a, title: A, agent: builder, needs: []}"))
        cluster.wait(lambda: flag.exists() and cluster.frozen("agent"), "the worker is frozen")
        if cluster.can_be_written():
            return id_
        flag.unlink()
        cluster.thaw("agent")
        cluster.reaches(id_, "completed")
