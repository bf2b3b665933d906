"""`kill -9` of a worker in the middle of a call: nobody knows what it took, so it is paid whole."""

import pytest
from sqlalchemy import select

from conductor_app.store.tables import attempts, usage
from tests.faults.cluster import PATIENCE, Cluster
from tests.faults.judge import judge
from tests.faults.templates import one_phase

TALK = one_phase("{key: talk, title: Talk, agent: talker, needs: []}")


@pytest.mark.parametrize("point", ["meter.after_reserve", "meter.before_settle"])
def test_a_call_whose_worker_dies_is_paid_whole_and_made_again(
    cluster: Cluster, point: str
) -> None:
    """It may have been answered or not: that it counts as its worst case passes no cap."""
    flags = cluster.home / "flags"
    flags.mkdir()
    once = {"CONDUCTOR_CRASH_AT": point, "CONDUCTOR_CRASH_ONCE": str(flags / point)}
    cluster.start("system", "isolated", "beat")
    cluster.start("agent-1", **once)
    id_ = cluster.begin(TALK)
    cluster.reaches(id_, "completed", 2 * PATIENCE)
    judge(cluster, id_)
    with cluster.conductor.read() as tx:
        of = usage.c.execution_id == id_
        calls = tx.all(select(usage).where(of).order_by(usage.c.created_at, usage.c.id))
        tries = tx.all(select(attempts).where(attempts.c.execution_id == id_))
    assert [row.status for row in sorted(tries, key=lambda row: row.number)] == [
        "lost",
        "succeeded",
    ]
    lost = [row for row in calls if row.basis == "assumed"]
    assert [row.tokens for row in lost] == [2_000]
    assert [row.tokens for row in calls if row.basis == "reported"] == [110, 110]
