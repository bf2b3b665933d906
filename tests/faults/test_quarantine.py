"""A task that kills its worker: alone after two lost leases, given up after three, named."""

from sqlalchemy import select

from conductor_app.engine import task_control
from conductor_app.store.tables import errors, executions, workers
from tests.faults.cluster import USUAL, WORKERS, Cluster
from tests.faults.judge import judge, judge_leftovers
from tests.faults.templates import one_phase


def test_it_is_isolated_then_given_up_and_its_neighbours_do_well(cluster: Cluster) -> None:
    cluster.start(*USUAL)
    cluster.ready(*WORKERS)
    id_ = cluster.begin(
        one_phase(
            "{key: bad, title: Bad, agent: killer, needs: []}",
            "{key: after, title: After, agent: builder, needs: [bad]}",
            "{key: slow, title: Slow, agent: waiter, needs: []}",
            *(f"{{key: n{n}, title: N, agent: builder, needs: []}}" for n in range(3)),
        )
    )
    # The neighbours are at work when it takes their worker down, and are isolated with it.
    cluster.wait(lambda: len(cluster.begun("0-bad")) == 2, "two workers died of it")
    cluster.go()
    cluster.wait(lambda: len(cluster.begun("0-bad")) == 3, "three workers died of it")
    cluster.reaches(id_, "paused")
    with cluster.conductor.read() as tx:
        row = tx.first(select(executions).where(executions.c.id == id_))
    assert row is not None
    assert row.reason == "blocked"
    assert "`conductor retry 0/bad`" in row.reason_detail
    assert statuses(cluster, id_)["0/after"] == "waiting"

    with cluster.conductor.transaction() as tx:
        task_control.skip(tx, id_, "0/bad", "It kills.")
    cluster.reaches(id_, "completed")
    found = judge(cluster, id_)
    assert statuses(cluster, id_) == {
        "0/bad": "skipped",
        **dict.fromkeys(("0/after", "0/slow", "0/n0", "0/n1", "0/n2"), "completed"),
    }
    bad = {task.id for task in found.tasks.values() if task.key == "0/bad"}
    mine = [attempt for attempt in found.attempts if attempt.task_id in bad]
    assert [attempt.status for attempt in mine] == ["lost", "lost", "lost"]
    with cluster.conductor.read() as tx:
        roles = {row.id: row.role for row in tx.all(select(workers))}
        kinds = [row.kind for row in tx.all(select(errors).where(errors.c.severity == "high"))]
        assert tx.value(select(executions.c.hold)) is None
    assert [roles[attempt.worker_id] for attempt in mine] == ["agent", "agent", "isolated"]
    assert kinds == ["QUARANTINED"]
    judge_leftovers(cluster)


def statuses(cluster: Cluster, execution_id: str) -> dict[str, str]:
    from conductor_app.store.tables import tasks

    with cluster.conductor.read() as tx:
        rows = tx.all(select(tasks).where(tasks.c.execution_id == execution_id))
        return {row.key: row.status for row in rows}
