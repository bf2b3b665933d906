"""beat ends at a signal, whatever swallows the exception that is meant to end it."""

import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from celery.beat import Service

from beat.program import end_at_signals
from conductor_app.bootstrap import celery_app
from conductor_app.settings import Settings

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture
def service(home: Path) -> Iterator[Service]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    with celery_app(Settings.load(home, redis_url="redis://127.0.0.1:1/0")) as app:
        service = Service(app, scheduler_cls="celery.beat:Scheduler")
        end_at_signals(service)
        yield service
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_remembered(service: Service, number: signal.Signals) -> None:
    with suppress(SystemExit):
        signal.raise_signal(number)
        pytest.fail("nothing interrupted what beat was doing")
    # Were it not, this would tick for ever.
    service.start()
