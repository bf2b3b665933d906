"""What Conductor needs of a broker, on Redis and on RabbitMQ: order, chains, whole executions."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from sqlalchemy import select

from conductor_app.bootstrap import celery_app
from conductor_app.ids import new_id
from conductor_app.queue import CeleryQueue, Hint
from conductor_app.settings import Settings
from conductor_app.store.tables import workers
from tests.faults.cluster import USUAL, WORKERS, Cluster
from tests.faults.judge import judge, judge_leftovers
from tests.faults.templates import PROJECT

pytestmark = pytest.mark.xdist_group("brokers")


@pytest.fixture(params=["redis", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def app(home: Path, broker_url: str) -> Iterator[Celery]:
    with celery_app(Settings.load(home, broker_url=broker_url)) as app:
        yield app


def received(app: Celery, queue: str) -> list[Any]:
    """The messages that wait in a queue, in the order in which a worker would get them."""
    with app.connection_for_read() as connection:
        bound = app.amqp.queues[queue](connection.default_channel)
        bound.declare()
        return list(iter(lambda: bound.get(no_ack=True), None))


def jobs_of(messages: list[Any]) -> list[str]:
    return [json.loads(message.body)[0][0] for message in messages]


@pytest.fixture
def queue_name() -> str:
    return f"agent.{new_id().lower()}"


def test_the_more_urgent_goes_first(app: Celery, queue_name: str) -> None:
    urgent, usual, late = (
        Hint(queue_name, 605, ("u",)),
        Hint(queue_name, 301, ("n",)),
        Hint(queue_name, 106, ("l",)),
    )
    CeleryQueue(app).send([late, usual, urgent, late])
    assert jobs_of(received(app, queue_name)) == ["u", "n", "l", "l"]


def test_a_chain_goes_out_as_one_message(app: Celery, queue_name: str) -> None:
    CeleryQueue(app).send([Hint(queue_name, 605, ("a", "b", "c"))])
    (message,) = received(app, queue_name)
    assert jobs_of([message]) == ["a"]
    rest = json.loads(message.body)[2]["chain"]
    # Celery takes the next one from the end.
    assert [link["args"] for link in reversed(rest)] == [["b"], ["c"]]
    assert {link["options"]["queue"] for link in rest} == {queue_name}


def test_an_execution_on_it(home: Path, broker_url: str) -> None:
    """Agents of the workflow's own, so their queues are added while the workers run."""
    with Cluster(home, broker_url=broker_url) as cluster:
        cluster.start(*USUAL)
        cluster.ready(*WORKERS)
        id_ = cluster.begin(PROJECT)
        cluster.reaches(id_, "completed")
        judge(cluster, id_)
        cluster.wait(lambda: "agent.builder" in queues_by_role(cluster)["agent"], "it is known")
        taken = queues_by_role(cluster)
        assert (taken["system"], taken["isolated"]) == (["system"], ["isolated"])
        judge_leftovers(cluster)


def queues_by_role(cluster: Cluster) -> dict[str, list[str]]:
    with cluster.conductor.read() as tx:
        return {row.role: row.queues for row in tx.all(select(workers))}
