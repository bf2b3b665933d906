"""One worker process: what its threads share, and how one of its jobs is carried out."""

import os
import socket
from collections.abc import Callable, Sequence
from functools import cached_property

from conductor_app import logs
from conductor_app.bootstrap import Conductor
from conductor_app.domain.outcome import Outcome, Released
from conductor_app.engine.claim import Claim, decline
from conductor_app.engine.report import Report
from conductor_app.ids import new_id
from conductor_app.store import workers as worker_rows
from workers import attempt, crash, system_jobs
from workers.agents.registry import AgentRegistry
from workers.held import Held, HeldJobs
from workers.sandbox import Sandbox
from workers.writer import Writer


class WorkerProcess:
    """Claims jobs that its queue hints at, carries them out, reports how they ended."""

    def __init__(
        self, conductor: Conductor, role: str, slots: int, queues: Callable[[], Sequence[str]]
    ) -> None:
        self.id = new_id()
        self.conductor = conductor
        self.agents = AgentRegistry()
        self._register(role, slots, queues())
        self._writer = Writer(conductor, self.id)
        self._held = HeldJobs(self._writer, conductor.settings.heartbeat_seconds, queues)

    @cached_property
    def sandbox(self) -> Sandbox:
        """How commands are confined here; raises SandboxUnavailable."""
        return Sandbox.detect(self.conductor.settings.sandbox)

    def carry_out(self, job_id: str, next_link: str | None = None) -> bool:
        """Do a job if it is there to be done; whether the broker's chain goes on after it."""
        if self._held.draining:
            self._decline(job_id)
            return False
        claimed = self._writer.claim(job_id)
        if claimed is None:
            return False
        logs.debug(
            "job_claimed",
            kind=claimed.kind,
            name=claimed.task_key or claimed.job_id,
            number=claimed.attempt_number or claimed.fence,
        )
        crash.point("job.after_claim")
        with self._held.hold(claimed.job_id, claimed.fence) as held:
            outcome = self._outcome(claimed, held)
        if outcome is None:
            return False
        crash.point("job.before_report")
        return self._report(claimed, claimed.job_id, claimed.fence, outcome, next_link)

    def drain(self) -> None:
        """Stop at the next safe points and give the jobs back; asked again, end at once."""
        if self._held.draining:
            # What is held is left to its lease, commands to their supervisors.
            os._exit(1)
        logs.info("worker_draining", worker=self.id)
        self._held.drain()

    def close(self) -> None:
        self._held.close()
        self._writer.close()
        with self.conductor.transaction() as tx:
            worker_rows.beat(tx, self.id, status="down")
        self.conductor.close()

    def _decline(self, job_id: str) -> None:
        with self.conductor.transaction() as tx:
            decline(tx, job_id)

    def _outcome(self, claimed: Claim, held: Held) -> Outcome | None:
        """How it ended; None when the job is no longer ours to report."""
        if claimed.kind == "attempt":
            outcome: Outcome | None = attempt.run(self, claimed, held)
        else:
            outcome = system_jobs.run(self, claimed, held)
        if held.lost:
            logs.warning("job_refused", job=claimed.job_id)
            return None
        return Released() if outcome is None and held.draining else outcome

    def _report(
        self, claimed: Claim, job_id: str, fence: int, outcome: Outcome, next_link: str | None
    ) -> bool:
        answer = self._writer.report(Report(job_id, fence, outcome, claimed.attempt_id, next_link))
        crash.point("job.after_report")
        if not answer.accepted:
            logs.warning("job_refused", job=job_id)
        if answer.integration is None:
            return answer.chain
        # The winner brings its commit home itself; if it dies now the system queue does.
        with self._held.hold(answer.integration, 1) as held:
            integrated = system_jobs.integrate(
                self,
                claimed,
                held,
                commit=getattr(outcome, "commit", "") or "",
                attempt_id=claimed.attempt_id,
            )
        if integrated is None or held.lost:
            logs.warning("job_refused", job=answer.integration)
            return False
        return self._report(claimed, answer.integration, 1, integrated, next_link)

    def _register(self, role: str, slots: int, queues: Sequence[str]) -> None:
        with self.conductor.transaction() as tx:
            worker_rows.register(
                tx,
                id=self.id,
                host=socket.gethostname(),
                pid=os.getpid(),
                role=role,
                queues=list(queues),
                slots=slots,
                sandbox=self.conductor.settings.sandbox,
            )
        logs.info("worker_started", worker=self.id, queues=", ".join(queues), slots=slots)
