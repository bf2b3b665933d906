"""The Celery application that the comparison runs."""

import os

from celery import Celery

app = Celery("canvas", broker=os.environ["CANVAS_BROKER"], backend=os.environ["CANVAS_RESULTS"])
app.conf.update(worker_prefetch_multiplier=1, result_expires=600)


@app.task(name="canvas.noop")
def noop() -> None:
    return None
