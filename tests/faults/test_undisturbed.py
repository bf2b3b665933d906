"""The work of the fault tests when nothing disturbs it; else their verdicts would mean nothing."""

from tests.faults.cluster import USUAL, Cluster
from tests.faults.judge import judge, judge_leftovers
from tests.faults.templates import PROJECT, fan_out


def test_the_work_ends_right_by_itself(cluster: Cluster) -> None:
    cluster.start(*USUAL)
    project = cluster.begin(PROJECT)
    wide = cluster.begin(fan_out(20, then=20))
    half = cluster.begin(PROJECT, target=0)
    cluster.reaches(project, "completed")
    cluster.reaches(wide, "completed")
    cluster.reaches(half, "completed")
    found = judge(cluster, project)
    judge(cluster, wide)
    judge(cluster, half)
    judge_leftovers(cluster)
    assert len(found.branch) == 10
    cluster.stop(*USUAL)
    for name in USUAL:
        assert "Traceback" not in cluster.members[name].log.read_text(), name
