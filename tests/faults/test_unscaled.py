"""One campaign at the pace of production: leases of 30 s, ticks every 5 s, and the real bounds."""

import os

import pytest

from tests.faults.conftest import MakeCluster
from tests.faults.judge import judge, judge_leftovers
from tests.faults.templates import PROJECT, fan_out, one_phase
from tests.faults.test_killed_services import ticked

HEAVY = "CONDUCTOR_TEST_HEAVY"
# reliability.md, in seconds.
WORK_RESUMED = 45
HINTS_SENT_AGAIN = 60
# For starting processes on a machine that does other things as well.
MARGIN = 5


@pytest.mark.skipif(
    os.environ.get(HEAVY) != "1",
    reason=f"NOT RUN: the fault campaign with production's leases takes minutes; set {HEAVY}=1",
)
def test_everything_dies_and_redis_forgets(make_cluster: MakeCluster) -> None:
    cluster = make_cluster(
        lease_seconds=30, heartbeat_seconds=5, hint_lost_seconds=30, orchestration_interval=5000
    )
    cluster.start("agent-1", "system", "isolated", "beat")
    cluster.ready("agent-1", "system")
    waits = cluster.begin(one_phase("{key: only, title: Only, agent: waiter, needs: []}"))
    project = cluster.begin(PROJECT)
    cluster.wait(lambda: cluster.begun("0-only") and cluster.begun("0-base"), "work has begun")
    cluster.wait(lambda: ticked(cluster), "the first tick")

    cluster.members["agent-1"].stays = False
    cluster.kill("agent-1", "system", "isolated", "beat", "redis")
    cluster.wait(cluster.redis_answers, "Redis is back")
    wide = cluster.begin(fan_out(20))
    with cluster.redis() as client:
        client.flushall()
    cluster.start("agent-2")
    seconds = cluster.wait(lambda: len(cluster.begun("0-only")) == 2, "the task is begun again")
    assert seconds < WORK_RESUMED + MARGIN
    seconds += cluster.wait(lambda: cluster.status(wide) == "completed", "what was forgotten")
    assert seconds < HINTS_SENT_AGAIN + MARGIN
    cluster.go()
    for id_ in (waits, project, wide):
        cluster.reaches(id_, "completed", 240)
        judge(cluster, id_)
    judge_leftovers(cluster)
