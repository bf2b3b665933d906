"""The composition root: Settings in, everything wired out; nothing is wired at import."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from conductor_app import connector_settings, masking, secretfile, silence
from conductor_app.domain.budget import Daily
from conductor_app.engine.sweep import Timing
from conductor_app.errors import InvalidSettings
from conductor_app.queue import GIVE_UP_SOON, CeleryQueue, Queue
from conductor_app.settings import Settings
from conductor_app.store.database import Database, Transaction

if TYPE_CHECKING:
    from celery import Celery


@dataclass(frozen=True)
class Conductor:
    """What every process works with: settings, the database, the queue."""

    settings: Settings
    database: Database
    queue: Queue

    def transaction(self) -> contextlib.AbstractContextManager[Transaction]:
        return self.database.transaction()

    def read(self) -> contextlib.AbstractContextManager[Transaction]:
        return self.database.read()

    @property
    def timing(self) -> Timing:
        return Timing(
            tick=int(self.settings.tick_seconds * 1000),
            lease=self.lease_ms,
            hint_lost=int(self.settings.hint_lost_seconds * 1000),
        )

    @property
    def daily(self) -> Daily:
        """What the installation may spend in a day."""
        return self.settings.daily

    @property
    def lease_ms(self) -> int:
        return int(self.settings.lease_seconds * 1000)

    def close(self) -> None:
        self.database.close()
        self.queue.close()


def connect(settings: Settings, queue: Queue | None = None) -> Conductor:
    """A Conductor on the database and broker of the settings."""
    know_secrets(settings)
    chosen = queue if queue is not None else CeleryQueue(celery_app(settings))
    database = Database(
        settings.database_url,
        settings.signing_key(),
        chosen,
        pool_size=settings.database_pool_size,
    )
    return Conductor(settings, database, chosen)


@contextlib.contextmanager
def connected(settings: Settings, queue: Queue | None = None) -> Iterator[Conductor]:
    conductor = connect(settings, queue)
    try:
        yield conductor
    finally:
        conductor.close()


def know_secrets(settings: Settings) -> None:
    """Have everything masked that opens something here: of the environment, settings, files."""
    masking.know_environment(os.environ)
    for url in (settings.database_url, settings.broker_url, settings.redis_url):
        masking.know_url(url)
    for chosen in (settings.token, settings.secret_key):
        if chosen is not None:
            masking.know(chosen.get_secret_value())
    places = settings.places
    for file in (places.api_token, places.secret_key, places.redis_password):
        secretfile.know(file)
    with contextlib.suppress(InvalidSettings):
        # Whoever uses a connector is told what is wrong.
        connector_settings.know_secrets(settings)


_RABBITMQ: dict[str, object] = {
    "task_queue_max_priority": 9,
    # After a reconnect Celery raises the prefetch count step by step from the jobs' threads, on the
    # socket that its main thread reads: one takes the other's frame, and hears no more.
    "worker_enable_prefetch_count_reduction": False,
    "broker_transport_options": GIVE_UP_SOON,
}


def celery_app(settings: Settings) -> Celery:
    """The Celery application that both sides use: JSON only, no results, hints by priority."""
    from celery import Celery

    app = Celery("conductor", set_as_current=False)
    app.conf.update(celery_settings(settings))
    return app


def celery_settings(settings: Settings) -> dict[str, object]:
    """Celery's settings; the reason for each is the trap that it avoids."""
    url = settings.celery_broker_url
    common: dict[str, object] = {
        "broker_url": url,
        "broker_connection_retry_on_startup": True,
        # Never give up: the database keeps what the broker can't.
        "broker_connection_max_retries": None,
        "accept_content": ["json"],
        "task_serializer": "json",
        "event_serializer": "json",
        # The row says how a job ended; a result would be a second truth.
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        # Early acknowledgement: a lost message is sent again by the tick, a kept one can't loop.
        "task_acks_late": False,
        "worker_prefetch_multiplier": 1,
        "task_default_queue": "system",
        "task_send_sent_event": False,
        # Flower asks the workers for them while it runs; without it they cost a fifth of a no-op.
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "timezone": "UTC",
    }
    if url.startswith(("amqp", "pyamqp")):
        return common | _RABBITMQ
    common["broker_transport_options"] = {
        **GIVE_UP_SOON,
        "priority_steps": list(range(10)),
        "queue_order_strategy": "priority",
        "sep": ":",
        # A connection that a black hole swallowed is noticed; a worker is never deaf for long. The
        # kernel looks after those that are idle, for each would cost its first user a timeout.
        "socket_timeout": silence.CONNECT,
        "socket_connect_timeout": silence.CONNECT,
        "socket_keepalive": not url.startswith("redis+socket"),
        "socket_keepalive_options": silence.of_tcp(),
        "health_check_interval": 5,
        # Longer than any attempt: redelivery is the tick's business.
        "visibility_timeout": 7 * 24 * 3600,
    }
    return common
