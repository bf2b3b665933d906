"""SIGTERM: jobs are given back at no cost, a rolling deployment fails no task, twice is haste."""

import signal

from sqlalchemy import select

from conductor_app.store.tables import attempts, jobs, tasks
from tests.faults.cluster import USUAL, WORKERS, Cluster
from tests.faults.judge import judge, judge_leftovers
from tests.faults.templates import PROJECT, one_phase

# reliability.md's bound for a drain, which no scaling of leases changes.
DRAINED_WITHIN = 30
LOST = select(jobs.c.id).where(jobs.c.lost_leases > 0)
RELEASED = select(attempts.c.id).where(attempts.c.status == "released")


def test_jobs_are_given_back(cluster: Cluster) -> None:
    """An agent that waits, a command that runs: both stop, and another worker goes on."""
    cluster.start("agent-1", "system", "isolated", "beat")
    cluster.ready("agent-1", "system")
    id_ = cluster.begin(
        one_phase(
            "{key: wait, title: Wait, agent: waiter, needs: []}",
            "{key: run, title: Run, agent: commander, needs: []}",
        )
    )
    cluster.wait(lambda: cluster.begun("0-wait") and cluster.begun("0-run"), "both have begun")
    cluster.stop("agent-1", seconds=DRAINED_WITHIN)
    assert cluster.count(RELEASED) == 2
    assert cluster.count(LOST) == 0
    cluster.start("agent-2")
    cluster.wait(lambda: len(cluster.begun("0-wait")) == 2, "the other worker has begun")
    cluster.go()
    cluster.reaches(id_, "completed")
    judge(cluster, id_)
    judge_leftovers(cluster)


def test_a_rolling_deployment_fails_no_task(cluster: Cluster) -> None:
    cluster.start("agent-1", "agent-2", "system-1", "system-2", "isolated", "beat")
    cluster.ready("agent-1", "agent-2", "system-1", "system-2")
    ids = [cluster.begin(PROJECT), cluster.begin(PROJECT)]
    for name in ("agent-1", "system-1", "agent-2", "beat", "isolated", "system-2"):
        cluster.restart(name)
        if name in ("agent-1", "system-1"):
            cluster.ready(name)
    for id_ in ids:
        cluster.reaches(id_, "completed")
        judge(cluster, id_)
    assert cluster.count(LOST) == 0
    flaky = {"0/odd": 1, "1/window": 1}
    with cluster.conductor.read() as tx:
        assert {row.key: row.failures for row in tx.all(select(tasks)) if row.failures} == flaky
    judge_leftovers(cluster)


def test_a_second_signal_hurries(cluster: Cluster) -> None:
    """An agent that will not stop holds its worker up; a second SIGTERM leaves it to its lease."""
    cluster.start(*USUAL)
    cluster.ready(*WORKERS)
    id_ = cluster.begin(one_phase("{key: deaf, title: Deaf, agent: deaf, needs: []}"))
    cluster.wait(lambda: cluster.begun("0-deaf"), "it has begun")
    cluster.signal("agent", signal.SIGTERM)
    cluster.wait(lambda: "is draining" in cluster.log_of("agent"), "the worker drains")
    cluster.signal("agent", signal.SIGTERM)
    cluster.wait(lambda: cluster.members["agent"].starts == 2, "it has ended, and is back")
    cluster.wait(lambda: len(cluster.begun("0-deaf")) == 2, "it is begun again")
    cluster.go()
    cluster.reaches(id_, "completed")
    judge(cluster, id_)
    judge_leftovers(cluster)
