"""The Celery tasks: an id in, the engine and the pipeline out."""

from celery import Task

from beat import retention, tick
from conductor_app.queue import DUE, RETENTION, RUN_JOB, TICK
from workers import current
from workers.app import app


@app.task(name=RUN_JOB, bind=True, ignore_result=True)
def run_job(self: Task, job_id: str) -> None:
    """Do the job hinted at; the broker's chain goes on only when this job released its next."""
    chain = self.request.chain
    next_link = chain[-1]["args"][0] if chain else None
    if not current.process().carry_out(job_id, next_link):
        self.request.chain = None


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
