"""The Celery tasks: an id in, the engine and the pipeline out."""

from celery import Task

from beat import retention, tick
from conductor_app.queue import DUE, RETENTION, RUN_JOB, TICK
from workers import current
from workers.app import app


@app.task(name=RUN_JOB, bind=True, ignore_result=True)
def run_job(self: Task, job_id: str) -> None:
    """Do the job hinted at; the broker's chain goes on only with what this job released."""
    # The next link is the last of the list.
    chain = self.request.chain or []
    links = [link["args"][0] for link in reversed(chain)]
    left = current.process().carry_out(job_id, links, self.request.headers)
    self.request.chain = chain[: len(left)] or None


@app.task(name=TICK, ignore_result=True)
def run_tick() -> None:
    """Find and do what a lost message or a dead process left undone."""
    process = current.process()
    tick.tick(process.conductor, process.id)


@app.task(name=DUE, ignore_result=True)
def run_due() -> None:
    """Send what waited for its time."""
    tick.due(current.process().conductor)


@app.task(name=RETENTION, ignore_result=True)
def run_retention() -> None:
    """Forget what nobody needs any more."""
    retention.forget(current.process().conductor)
