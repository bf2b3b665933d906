"""What the engine relies on of a queue, in memory, on Redis and on RabbitMQ alike."""

import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from celery import Celery

from conductor_app.bootstrap import celery_app
from conductor_app.ids import new_id
from conductor_app.queue import RUN_JOB, CeleryQueue, Hint, MemoryQueue, Queue
from conductor_app.settings import Settings
from tests.fakes.tcp_proxy import TcpProxy

Chain = tuple[str, ...]


@dataclass
class Subject:
    """A queue, and how to see what a worker would get of it, in its order."""

    queue: Queue
    delivered: Callable[[str], list[Chain]]


@pytest.fixture(params=["memory", "redis", "rabbitmq"])
def subject(request: pytest.FixtureRequest, home: Path) -> Iterator[Subject]:
    if request.param == "memory":
        memory = MemoryQueue()
        yield Subject(memory, lambda name: [hint.links for hint in memory.waiting(name)])
        return
    url = request.getfixturevalue(f"{request.param}_url")
    with celery_app(Settings.load(home, broker_url=url)) as app:
        yield Subject(CeleryQueue(app), lambda name: [chain(m) for m in messages(app, name)])


def messages(app: Celery, queue: str) -> list[Any]:
    with app.connection_for_read() as connection:
        bound = app.amqp.queues[queue](connection.default_channel)
        bound.declare()
        return list(iter(lambda: bound.get(no_ack=True), None))


def chain(message: Any) -> Chain:
    """The jobs of a message in the order in which Celery would deliver them."""
    (job_id,), _, embedded = json.loads(message.body)
    assert message.headers["task"] == RUN_JOB
    rest = embedded["chain"] or []
    assert {link["task"] for link in rest} <= {RUN_JOB}
    return (job_id, *(link["args"][0] for link in reversed(rest)))


@pytest.fixture
def name() -> str:
    """A queue that no other test has touched."""
    return f"agent.{new_id().lower()}"


def test_nothing_comes_of_nothing(subject: Subject, name: str) -> None:
    subject.queue.send([])
    assert subject.delivered(name) == []


def test_what_is_sent_is_delivered_with_its_chain(subject: Subject, name: str) -> None:
    subject.queue.send([Hint(name, 605, ("a", "b", "c"))])
    assert subject.delivered(name) == [("a", "b", "c")]


def test_the_more_urgent_phase_goes_first(subject: Subject, name: str) -> None:
    for priority in (106, 605, 301, 505, 205, 405):
        subject.queue.send([Hint(name, priority, (str(priority),))])
    expected = [("605",), ("505",), ("405",), ("301",), ("205",), ("106",)]
    assert subject.delivered(name) == expected


def test_jobs_of_conductors_own_go_before_later_phases(subject: Subject, name: str) -> None:
    subject.queue.send([Hint(name, 510, ("task",)), Hint(name, 1000, ("check",))])
    subject.queue.send([Hint(name, 2000, ("integration",))])
    assert subject.delivered(name) == [("check",), ("integration",), ("task",)]


def test_within_a_level_the_order_of_sending_holds(subject: Subject, name: str) -> None:
    """Levels are coarser than priorities: the engine sends in the exact order."""
    subject.queue.send([Hint(name, 610 - n, (str(n),)) for n in range(5)])
    assert subject.delivered(name) == [(str(n),) for n in range(5)]


def test_queues_do_not_mix(subject: Subject, name: str) -> None:
    other = f"{name}-other"
    subject.queue.send([Hint(name, 605, ("mine",)), Hint(other, 605, ("theirs",))])
    assert subject.delivered(name) == [("mine",)]
    assert subject.delivered(other) == [("theirs",)]


def test_the_same_hint_may_be_sent_twice(subject: Subject, name: str) -> None:
    subject.queue.send([Hint(name, 605, ("a",))] * 2)
    assert subject.delivered(name) == [("a",), ("a",)]


def test_asking_workers_to_take_a_queue_needs_no_worker(subject: Subject, name: str) -> None:
    subject.queue.consume(name)


def test_a_broker_that_is_away_is_nobodys_error(home: Path, name: str) -> None:
    """The commit stands, and the tick sends again."""
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    with celery_app(Settings.load(home, broker_url=f"redis://127.0.0.1:{port}/0")) as app:
        CeleryQueue(app).send([Hint(name, 605, ("a",))])
        CeleryQueue(app).consume(name)


def test_a_connection_of_before_the_brokers_restart_costs_no_message(
    home: Path, rabbitmq_url: str, name: str, wait_until: Callable[..., None]
) -> None:
    found: list[Chain] = []

    def arrives(hint: str) -> bool:
        # RabbitMQ may still be hearing the one connection when it answers the other.
        found.extend(chain(each) for each in messages(app, name))
        return (hint,) in found

    place = urlsplit(rabbitmq_url)
    with TcpProxy((str(place.hostname), place.port or 5672)) as link:
        url = rabbitmq_url.replace(f":{place.port}", f":{link.port}")
        with celery_app(Settings.load(home, broker_url=url)) as app:
            queue = CeleryQueue(app)
            queue.send([Hint(name, 605, ("before",))])
            wait_until(lambda: arrives("before"), seconds=20, what="the first is delivered")
            link.cut()
            link.heal()
            queue.send([Hint(name, 605, ("after",))])
            wait_until(lambda: arrives("after"), seconds=20, what="the second is delivered")
