"""`python -m beat`: sends the tick and everything else on the schedule."""

from beat.schedule import schedule
from conductor_app import logs
from conductor_app.bootstrap import celery_app
from conductor_app.settings import Settings


def main() -> None:
    logs.set_up()
    settings = Settings.load()
    app = celery_app(settings)
    app.conf.beat_schedule = schedule(settings)
    # The rows remember what is due, so beat itself needs no memory.
    app.conf.beat_scheduler = "celery.beat:Scheduler"
    app.conf.beat_max_loop_interval = 1
    app.Beat(loglevel="WARNING", quiet=True).run()


if __name__ == "__main__":
    main()
