"""`python -m beat`: sends the tick and everything else on the schedule."""

from types import FrameType

from celery import platforms
from celery.apps.beat import Beat
from celery.beat import Service

from beat.schedule import schedule
from conductor_app import logs
from conductor_app.bootstrap import celery_app
from conductor_app.settings import Settings


# Celery ships no annotations, so its class is of any type.
class PromptBeat(Beat):  # type: ignore[misc]
    """Ends at the first signal, always.

    Celery's own raises SystemExit wherever the signal finds it, and beat goes on for ever when that
    is a place that swallows exceptions, such as the end of an object.
    """

    def install_sync_handler(self, service: Service) -> None:
        def end(_signal: int, _frame: FrameType | None) -> None:
            service.stop()
            raise SystemExit

        platforms.signals.update(SIGTERM=end, SIGINT=end)


def main() -> None:
    logs.set_up()
    settings = Settings.load()
    app = celery_app(settings)
    app.conf.beat_schedule = schedule(settings)
    # The rows remember what is due, so beat itself needs no memory.
    app.conf.beat_scheduler = "celery.beat:Scheduler"
    app.conf.beat_max_loop_interval = 1
    PromptBeat(app=app, loglevel="WARNING", quiet=True).run()


if __name__ == "__main__":
    main()
