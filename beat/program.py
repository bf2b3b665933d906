"""`python -m beat`: sends the tick and everything else on the schedule."""

import signal
from types import FrameType
from typing import Any

from beat.schedule import schedule
from conductor_app import logs, settings_review
from conductor_app.bootstrap import celery_app, know_secrets


def main() -> None:
    logs.set_up("beat")
    settings = settings_review.load_or_exit()
    logs.set_up("beat", settings.log_format, settings.log_level)
    know_secrets(settings)
    app = celery_app(settings)
    app.conf.beat_schedule = schedule(settings)
    # The rows remember what is due, so beat itself needs no memory.
    app.conf.beat_scheduler = "celery.beat:Scheduler"
    app.conf.beat_max_loop_interval = 1
    beat = app.Beat(loglevel="WARNING", quiet=True)
    # Celery would add handlers of its own, and every warning would be logged twice.
    beat.setup_logging = lambda *_, **__: None
    beat.install_sync_handler = end_at_signals
    beat.run()


def end_at_signals(service: Any) -> None:
    """Let SIGTERM and SIGINT end the service (celery.beat.Service), always.

    Celery's own handler raises SystemExit wherever the signal finds it, and beat goes on for ever
    when that is a place that swallows exceptions, such as the end of an object.
    """

    def end(_signal: int, _frame: FrameType | None) -> None:
        service.stop()
        raise SystemExit

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
