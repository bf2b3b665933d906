"""Waits for checks that a person asked for, and shows what each of them found."""

import time
from typing import TYPE_CHECKING, Any

from conductor_app.cli.invocation import Invocation
from conductor_app.cli.reading import open_database
from conductor_app.cli.words import ICONS, one_line

if TYPE_CHECKING:
    from conductor_app.store.database import Database

POLL_SECONDS = 0.25
UNFINISHED = ("queued", "active")


def wait_for_job(invocation: Invocation, job_id: str) -> bool:
    """Whether the job ended well and none of its checks failed."""
    output = invocation.output
    with (
        open_database(invocation.settings) as database,
        output.working("The checks run ..."),
    ):
        job = _ended(database, job_id)
    checks = job["checks"]
    for check in checks:
        output.say(f"{ICONS[check['verdict']]} {check['name']}: {one_line(check['message'])}")
    failed = sum(check["verdict"] == "failed" for check in checks)
    ran = job["status"] == "succeeded"
    sentence = (
        f"{failed} of {len(checks)} checks failed."
        if ran
        else f"The checks did not run to their end: their job is {job['status']}."
    )
    output.say(sentence)
    output.result(job, sentence)
    return ran and not failed


def _ended(database: "Database", job_id: str) -> dict[str, Any]:
    from conductor_app.views import found

    while True:
        with database.read() as tx:
            job = found.job(tx, job_id)
        if job["status"] not in UNFINISHED:
            return job
        time.sleep(POLL_SECONDS)
