"""Messages that nobody should have sent: they start nothing, kill nobody, and the queue flows."""

import json
from typing import Any

from sqlalchemy import select

from conductor_app import bootstrap
from conductor_app.ids import new_id
from conductor_app.queue import RUN_JOB, Hint
from conductor_app.store.tables import attempts, tasks
from tests.faults.cluster import USUAL, WORKERS, Cluster
from tests.faults.judge import judge
from tests.faults.templates import fan_out, one_phase

QUEUES = ("agent.looker", "system", "isolated")
DEEP = 100_000


def test_poison_is_refused_and_the_queues_flow(cluster: Cluster) -> None:
    cluster.start(*USUAL)
    cluster.ready(*WORKERS)
    # Once so that the workers take the queue of this agent.
    first = cluster.begin(one_phase("{key: a, title: A, agent: looker, needs: []}"))
    cluster.reaches(first, "completed")
    for queue in QUEUES:
        poison_with_task_messages(cluster, queue)
        poison_with_raw_bytes(cluster, queue)
    id_ = cluster.begin(fan_out(20, then=5))
    forge(cluster, id_)
    cluster.reaches(id_, "completed")
    judge(cluster, id_)
    cluster.wait(lambda: queues_are_empty(cluster), "every message was taken")
    for name in WORKERS:
        assert "A message that is no task was refused" in cluster.log_of(name)
    # One by one, so that a worker that dies of a message is named.
    cluster.nobody_came_back()
    assert cluster.count(select(attempts.c.id)) == cluster.count(select(tasks.c.id))


def poison_with_task_messages(cluster: Cluster, queue: str) -> None:
    app = bootstrap.celery_app(cluster.settings)
    for name, arguments in (
        ("no.such.task", []),
        ("os.system", ["true"]),
        (RUN_JOB, []),
        (RUN_JOB, [1, 2, 3]),
        (RUN_JOB, [{"a": "mapping"}]),
        (RUN_JOB, [["a", "list"]]),
        (RUN_JOB, [None]),
        (RUN_JOB, ["with\0zero"]),
        (RUN_JOB, ["x" * 5_000_000]),
    ):
        app.send_task(name, args=arguments, queue=queue)
    app.send_task(RUN_JOB, args=[new_id()], queue=queue, chain=[{"task": "os.system"}])
    app.send_task(RUN_JOB, args=[new_id()], queue=queue, chain="no list")
    with app.producer_or_acquire() as producer:
        for body, kind in (
            (b"cos\nsystem\n(S'true'\ntR.", "application/x-python-serialize"),
            (b'{"task": "conductor.run", "args"', "application/json"),
            (b"[" * DEEP, "application/json"),
            (b"[" * DEEP + b"]" * DEEP, "application/json"),
            (b"\xff\xfe", "application/json"),
            (b"a: !!python/object/apply:os.system ['true']", "application/x-yaml"),
            (b"[[], {}, {}]", "application/json"),
            (b"17", "application/json"),
        ):
            headers = {"task": RUN_JOB, "id": new_id(), "lang": "py"}
            send(producer, queue, body, kind, headers)
            send(producer, queue, body, kind, {})
    app.close()


def send(producer: Any, queue: str, body: bytes, kind: str, headers: dict[str, str]) -> None:
    producer.publish(
        body,
        routing_key=queue,
        exchange="",
        content_type=kind,
        content_encoding="utf-8" if kind == "application/json" else "binary",
        headers=headers,
    )


def poison_with_raw_bytes(cluster: Cluster, queue: str) -> None:
    """What is not even an envelope of the transport."""
    with cluster.redis() as client:
        for text in (
            "",
            "{",
            "17",
            "null",
            "[]",
            "{}",
            '{"body": "x"}',
            json.dumps({"body": "x", "properties": {}}),
            json.dumps({"body": "x", "properties": {"delivery_tag": "t", "delivery_info": None}}),
            "[" * DEEP,
        ):
            client.lpush(queue, text)


def forge(cluster: Cluster, execution_id: str) -> None:
    """Ids of tasks that wait for something, and chains that skip what comes between."""
    with cluster.conductor.read() as tx:
        rows = tx.all(select(tasks).where(tasks.c.execution_id == execution_id))
    waiting = [row.id for row in rows if row.key.startswith("0/u")]
    cluster.conductor.queue.send([Hint("agent.looker", 50, (id_,)) for id_ in waiting])
    cluster.conductor.queue.send([Hint("system", 50, tuple(waiting))])


def queues_are_empty(cluster: Cluster) -> bool:
    with cluster.redis() as client:
        return not any(client.llen(queue) for queue in QUEUES)
