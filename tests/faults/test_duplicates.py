"""Two of everything, and every message three times in any order: the same final state."""

import random

from sqlalchemy import select

from conductor_app.queue import Hint
from conductor_app.store.tables import attempts, jobs, tasks
from tests.faults.cluster import Cluster
from tests.faults.judge import judge, judge_leftovers
from tests.faults.templates import PROJECT, fan_out

TWO_OF_EACH = [f"{role}-{n}" for role in ("agent", "system", "isolated", "beat") for n in (1, 2)]


def test_two_of_everything_and_every_message_three_times(cluster: Cluster) -> None:
    chance = random.Random(7)
    cluster.start(*TWO_OF_EACH)
    ids = [cluster.begin(PROJECT), cluster.begin(fan_out(40, then=40))]

    def over() -> bool:
        cluster.conductor.queue.send(again(cluster, chance))
        return all(cluster.status(id_) == "completed" for id_ in ids)

    cluster.wait(over, "both executions end")
    for id_ in ids:
        found = judge(cluster, id_)
        successes = [row.task_id for row in found.attempts if row.status == "succeeded"]
        assert sorted(successes) == sorted(found.tasks)
    judge_leftovers(cluster)
    # What was delivered again was not done again.
    flaky = select(tasks.c.id).where(tasks.c.failures > 0)
    assert cluster.count(select(attempts.c.id)) == cluster.count(select(tasks.c.id)) + 2
    assert cluster.count(flaky) == 2


def again(cluster: Cluster, chance: random.Random) -> list[Hint]:
    """Some jobs, whatever their state, and tasks that have no job yet: each twice, shuffled."""
    with cluster.conductor.read() as tx:
        known = [Hint(row.queue, row.priority, (row.id,)) for row in tx.all(select(jobs))]
        waiting = [Hint(f"agent.{row.agent}", 50, (row.id,)) for row in tx.all(select(tasks))]
    some = chance.sample(known, min(4, len(known))) + chance.sample(waiting, min(4, len(waiting)))
    hints = some * 2
    chance.shuffle(hints)
    return hints
