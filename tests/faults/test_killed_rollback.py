"""A rollback whose worker is killed right before and right after it moves the branch."""

from conductor_app.engine.rollback import rollback
from tests.faults.cluster import Cluster
from tests.faults.judge import judge, judge_leftovers
from tests.faults.templates import PROJECT
from tests.faults.test_killed_workers import crash_at


def test_it_takes_the_work_back_once(cluster: Cluster) -> None:
    flags = cluster.home / "flags"
    flags.mkdir()
    before, after = "revert.before_update_ref", "revert.after_update_ref"
    cluster.start("agent", "isolated", "beat")
    cluster.start("system", **crash_at(before, flags))
    cluster.ready("agent", "system")
    id_ = cluster.begin(PROJECT)
    cluster.wait(lambda: cluster.begun("1-walls"), "the second phase has begun")
    # Whoever comes back meets the next point.
    cluster.members["system"].environment = crash_at(after, flags)
    with cluster.conductor.transaction() as tx:
        assert rollback(tx, id_, to=0) == 0
    cluster.wait((flags / after).exists, "both points have killed a worker")
    assert (flags / before).exists()
    cluster.reaches(id_, "completed")
    found = judge(cluster, id_)
    judge_leftovers(cluster)
    assert [commit.takes_back for commit in found.branch].count(True) == 1
    again = [task for task in found.tasks.values() if task.generation == 2]
    assert len(again) == 12 and all(task.status == "completed" for task in again)
