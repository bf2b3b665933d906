"""The jobs that a process holds: a drain reaches every one of them, whenever it comes."""

from types import TracebackType
from typing import Any, cast

import pytest

from workers.held import Held, HeldJobs
from workers.writer import Writer


class DrainsFirst:
    """A lock at which a drain comes just before who wants it."""

    def __init__(self, jobs: HeldJobs) -> None:
        self._jobs = jobs
        self._lock = jobs._lock

    def __enter__(self) -> None:
        if not self._jobs.draining:
            self._jobs.drain()
        self._lock.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.release()


def test_a_job_that_is_taken_while_a_drain_begins_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = HeldJobs(cast(Writer, None), 60.0, lambda: [])
    monkeypatch.setattr(jobs, "_lock", cast(Any, DrainsFirst(jobs)))
    with jobs.hold("job", 1) as held:
        assert held.stopped()
    jobs.close()


def test_what_has_begun_may_end_while_its_worker_drains(monkeypatch: pytest.MonkeyPatch) -> None:
    held = Held("job", 1)
    assert not held.stopped() and not held.broken_off()
    held.drain()
    assert held.stopped() and not held.broken_off()
    held.lost = True
    assert held.broken_off()
    monkeypatch.setattr("workers.held.GRACE", 0.0)
    (late := Held("job", 1)).drain()
    assert late.broken_off()
