"""A whole execution on Redis and on RabbitMQ, also when its messages vanish on the way."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from conductor_app.bootstrap import celery_app
from conductor_app.store.tables import workers
from tests.fakes.tcp_proxy import TcpProxy
from tests.faults.cluster import USUAL, WORKERS, Cluster
from tests.faults.judge import judge, judge_leftovers
from tests.faults.templates import PROJECT, fan_out, one_phase

TOGETHER = 6


@pytest.fixture(params=["redis", "rabbitmq"])
def broker_url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(f"{request.param}_url"))


def test_from_begin_to_end(home: Path, broker_url: str) -> None:
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


def test_without_the_messages_that_were_sent(home: Path, broker_url: str) -> None:
    """What waits in the broker is deleted before any worker sees it; the tick sends it again."""
    with Cluster(home, broker_url=broker_url) as cluster:
        id_ = cluster.begin(one_phase("{key: look, title: Look, agent: looker, files: false}"))
        with celery_app(cluster.settings) as app, app.connection_for_write() as connection:
            bound = app.amqp.queues["agent.looker"](connection.default_channel)
            bound.declare()
            cluster.wait(bound.purge, "the hint is there, and is deleted")
        cluster.start(*USUAL)
        cluster.reaches(id_, "completed")
        judge(cluster, id_)


def queues_by_role(cluster: Cluster) -> dict[str, list[str]]:
    with cluster.conductor.read() as tx:
        return {row.role: row.queues for row in tx.all(select(workers))}


def test_workers_hear_again_after_rabbitmq_was_gone_while_they_worked(
    home: Path, rabbitmq_url: str
) -> None:
    """What ended after the reconnect was once acknowledged from two threads on one socket."""
    place = urlsplit(rabbitmq_url)
    waits = (f"{{key: w{n}, title: W, agent: waiter, needs: []}}" for n in range(TOGETHER))
    with TcpProxy((str(place.hostname), place.port or 5672)) as link:
        url = rabbitmq_url.replace(f":{place.port}", f":{link.port}")
        with Cluster(home, broker_url=url, worker_slots=TOGETHER) as cluster:
            cluster.start(*USUAL)
            cluster.ready(*WORKERS)
            first = cluster.begin(one_phase(*waits))
            cluster.wait(lambda: all(cluster.begun(f"0-w{n}") for n in range(TOGETHER)), "all work")
            link.cut()
            link.heal()
            connected = "Connection to broker lost"
            cluster.wait(lambda: connected in cluster.log_of("agent"), "the worker has noticed")
            cluster.go()
            cluster.reaches(first, "completed")
            for _ in range(3):
                cluster.reaches(cluster.begin(fan_out(8, 8)), "completed", seconds=60)
            judge_leftovers(cluster)
