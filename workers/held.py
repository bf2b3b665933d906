"""The jobs that this process holds, and the heart that keeps their leases."""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from conductor_app import logs
from conductor_app.domain.outcome import Report
from workers.writer import Writer

# For how many seconds a call of a model or a tool may go on when its worker drains: most of them
# end within, and nothing of it is paid again.
GRACE = 10.0


@dataclass
class Held:
    """A job in progress here. `stopped` is what its agent and commands ask now and then."""

    job_id: str
    fence: int
    lost: bool = False
    draining: bool = False
    # A time of `time.monotonic()`: the drain waits until then for what has begun.
    patient_until: float = 0.0
    # A time of `time.monotonic()` after which the job is over: an agent in Python that ignores its
    # deadline can't be killed, but it can lose its job.
    until: float = math.inf
    # Whether it came to that; what its thread brings later counts for nothing.
    overran: bool = False
    # How it is reported then, while the agent still works; None once it was.
    overrun: Callable[[], Report] | None = None

    # Likewise, when the working time of its execution is used up.
    working_until: float = math.inf

    def may_work(self, milliseconds: int) -> None:
        """So much working time is left from now on."""
        self.working_until = time.monotonic() + milliseconds / 1000

    @property
    def out_of_time(self) -> bool:
        return time.monotonic() >= self.working_until

    def drain(self) -> None:
        self.patient_until = time.monotonic() + GRACE
        self.draining = True

    def stopped(self) -> bool:
        return self.lost or self.draining

    def broken_off(self) -> bool:
        """The same for what would soon be at a safe point by itself."""
        return self.lost or (self.draining and time.monotonic() >= self.patient_until)


class HeldJobs:
    """Renews the leases of what is held; a job whose fence went on is marked lost."""

    def __init__(self, writer: Writer, seconds: float, queues: Callable[[], Sequence[str]]) -> None:
        self._writer = writer
        self._seconds = seconds
        self._queues = queues
        self._held: dict[str, Held] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self.draining = False
        self._thread = threading.Thread(target=self._beat, name="heart", daemon=True)
        self._thread.start()

    @contextmanager
    def hold(self, job_id: str, fence: int) -> Iterator[Held]:
        with self._lock:
            # A drain that is not seen here finds the job among those that it tells.
            held = Held(job_id, fence, draining=self.draining)
            self._held[job_id] = held
        try:
            yield held
        finally:
            with self._lock:
                self._held.pop(job_id, None)

    def drain(self) -> None:
        """Let every job reach a safe point and be given back."""
        self.draining = True
        for held in self._all():
            held.drain()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _all(self) -> list[Held]:
        with self._lock:
            return list(self._held.values())

    def _beat(self) -> None:
        while not self._stop.wait(self._seconds):
            try:
                self._renew()
            except Exception as error:
                # The next beat tries again; leases that ran out meanwhile are lost by their fence.
                logs.warning("heartbeat_failed", error=str(error))

    def _renew(self) -> None:
        mine = self._all()
        for held in mine:
            if not held.lost and time.monotonic() > held.until:
                held.lost = held.overran = True
        late = [held for held in mine if held.overran]
        mine = [held for held in mine if not held.lost]
        pulse = self._writer.renew([held.job_id for held in mine], self._queues())
        for held in mine:
            if pulse.fences.get(held.job_id) != held.fence:
                held.lost = True
            if (left := pulse.working_left.get(held.job_id)) is not None:
                held.may_work(left)
        for held in late:
            self._give_up(held)

    def _give_up(self, held: Held) -> None:
        """Report an overrun, once; should that fail, the next beat tries again."""
        if held.overrun is None:
            return
        self._writer.report(held.overrun())
        held.overrun = None
