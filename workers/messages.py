"""How messages are taken from the broker: one that can't be read is refused, and the queue flows.

Celery ends its worker at a message that is malformed in an unforeseen way, and gives the message
back to the queue, where it waits for the next worker.
"""

from collections.abc import Callable
from typing import Any

from celery.utils.log import get_logger
from celery.worker.consumer import Consumer as CeleryConsumer
from kombu.transport import TRANSPORT_ALIASES, redis

from conductor_app import logs

# What reading something of an unexpected shape raises; connections fail in other ways.
MALFORMED = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
_logger = get_logger(__name__)


class Consumer(CeleryConsumer):  # type: ignore[misc]
    """Refuses messages that are no task of ours, whatever is wrong with them."""

    def create_task_handler(self, *arguments: Any, **named: Any) -> Callable[[Any], None]:
        handle = super().create_task_handler(*arguments, **named)

        def handle_or_refuse(message: Any) -> None:
            try:
                handle(message)
            except MALFORMED as error:
                logs.warning("message_refused", error=repr(error)[:200])
                message.reject_log_error(_logger, self.connection_errors)

        return handle_or_refuse


class Channel(redis.Channel):
    """A Redis channel that drops what is not even an envelope; its list has lost it already.

    It survives a server that goes away while it is read.
    """

    def _brpop_read(self, **options: Any) -> bool:
        read: Callable[..., bool] = super()._brpop_read
        try:
            return read(**options)
        except MALFORMED as error:
            logs.warning("message_refused", error=repr(error)[:200])
            return True

    def close(self) -> None:
        # A connection that is lost is collected and then closed, and the second time nobody is
        # there to give messages back to: an error then would end the worker. They come back from
        # the server, and by the tick.
        if self._given_up:
            self.do_restore = False
        super().close()  # type: ignore[no-untyped-call]

    def basic_ack(self, delivery_tag: str, multiple: bool = False) -> None:
        # What a lost connection brought is acknowledged by nobody, and comes again: the same.
        if not self._given_up:
            super().basic_ack(delivery_tag, multiple)  # type: ignore[no-untyped-call]

    @property
    def _given_up(self) -> bool:
        return self.connection is None or self.connection.client is None


class Transport(redis.Transport):
    Channel = Channel


def guard_redis() -> None:
    """Let every connection of this process to a Redis broker read with the guarded channel."""
    name = f"{Transport.__module__}:{Transport.__qualname__}"
    TRANSPORT_ALIASES.update(redis=name, rediss=name)
