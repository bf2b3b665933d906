"""Sends Celery messages, by task name and after the commit; every message is only a hint."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from conductor_app import logs, telemetry
from conductor_app.domain.priority import rabbitmq_level, redis_level

if TYPE_CHECKING:
    from celery import Celery

RUN_JOB = "conductor.run"
TICK = "conductor.tick"
DUE = "conductor.due"
RETENTION = "conductor.retention"
SYSTEM_QUEUE = "system"
ISOLATED_QUEUE = "isolated"
# Whoever sends does not wait for a broker that is away, 6 s by Celery's defaults: the tick sends
# again. Workers that consume try to connect for ever, whatever stands here.
GIVE_UP_SOON = {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}
# How Celery calls the workers with the role `agent`.
AGENT_WORKERS = "agent-*"


def agent_queue(agent: str) -> str:
    return f"agent.{agent}"


@dataclass(frozen=True, slots=True)
class Hint:
    """A chain of jobs (ids) on one queue; the priority is the domain's number."""

    queue: str
    priority: int
    links: tuple[str, ...]


class Queue(Protocol):
    def send(self, hints: Sequence[Hint]) -> None:
        """Publish; what can't be published is presumed lost later and sent again."""

    def consume(self, queue: str) -> None:
        """Ask every agent worker to take this queue too."""

    def close(self) -> None: ...


@dataclass
class MemoryQueue:
    """Keeps the hints in a list: for tests, and for a control plane that only looks."""

    hints: list[Hint] = field(default_factory=list)
    consumed: list[str] = field(default_factory=list)

    def send(self, hints: Sequence[Hint]) -> None:
        self.hints.extend(hints)

    def consume(self, queue: str) -> None:
        self.consumed.append(queue)

    def waiting(self, queue: str) -> list[Hint]:
        """What waits in a queue, in the order in which a broker would deliver it."""
        of_queue = [hint for hint in self.hints if hint.queue == queue]
        return sorted(of_queue, key=lambda hint: redis_level(hint.priority))

    def close(self) -> None:
        self.hints.clear()


class CeleryQueue:
    """Publishes on Redis or RabbitMQ through Celery's own message format.

    A chain is published as Celery's `chain` option, so that a worker's Celery sends each next link
    itself when the link before it has ended well.
    """

    def __init__(self, app: Celery) -> None:
        self._app = app
        self._rabbitmq = app.conf.broker_url.startswith(("amqp", "pyamqp"))

    def send(self, hints: Sequence[Hint]) -> None:
        """A broker that is away costs latency only: the tick sends again what was not taken."""
        with self._tolerant(), self._app.producer_or_acquire() as producer:
            for hint in hints:
                self._publish(hint, producer)

    def consume(self, queue: str) -> None:
        with self._tolerant():
            # Not the system's worker: its checks and integrations would wait behind attempts.
            self._app.control.add_consumer(
                queue, reply=False, pattern=AGENT_WORKERS, matcher="glob"
            )

    @staticmethod
    @contextlib.contextmanager
    def _tolerant() -> Iterator[None]:
        from kombu.exceptions import OperationalError

        try:
            yield
        except OperationalError as error:
            logs.warning("broker_unreachable", error=str(error))

    def close(self) -> None:
        self._app.close()

    def _publish(self, hint: Hint, producer: Any) -> None:
        priority = rabbitmq_level(hint.priority) if self._rabbitmq else redis_level(hint.priority)
        headers = dict(telemetry.carrier())
        # Celery takes the next link from the end of this list.
        rest = [
            self._signature(link, hint.queue, priority, headers)
            for link in reversed(hint.links[1:])
        ]
        self._app.send_task(
            RUN_JOB,
            args=[hint.links[0]],
            queue=hint.queue,
            priority=priority,
            producer=producer,
            ignore_result=True,
            # A connection of before the broker's restart is found dead by its next message only;
            # Redis' client looks by itself.
            retry=self._rabbitmq,
            retry_policy=GIVE_UP_SOON,
            chain=rest or None,
            headers=headers or None,
        )

    def _signature(
        self, link: str, queue: str, priority: int, headers: dict[str, str]
    ) -> dict[str, Any]:
        options: dict[str, Any] = {"queue": queue, "priority": priority, "ignore_result": True}
        if headers:
            options["headers"] = headers
        return dict(self._app.signature(RUN_JOB, args=[link], immutable=True, options=options))
