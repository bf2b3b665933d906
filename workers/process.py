"""One worker process: what its threads share, and how one of its jobs is carried out."""

import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from conductor_app import logs, masking
from conductor_app.bootstrap import Conductor
from conductor_app.domain.outcome import Outcome, Released, Report
from conductor_app.engine.claim import Claim, decline
from conductor_app.engine.report import Answer
from conductor_app.ids import new_id
from conductor_app.store import workers as worker_rows
from conductor_app.telemetry import continued
from workers import attempt, crash, system_jobs, telemetry
from workers.connectors import close_clients
from workers.held import Held, HeldJobs
from workers.workshop import Workshop
from workers.writer import Writer

# After a job of less than this (seconds) a chain's next link is gone on with at once: beside a
# longer one the broker's round trip is nothing, and with it Flower shows every link.
QUICK = 1.0


class WorkerProcess:
    """Claims jobs that its queue hints at, carries them out, reports how they ended."""

    def __init__(
        self, conductor: Conductor, role: str, slots: int, queues: Callable[[], Sequence[str]]
    ) -> None:
        self.id = new_id()
        self.conductor = conductor
        logs.of_process(worker=self.id)
        self.workshop = Workshop(conductor)
        self._register(role, slots, queues())
        self._writer = Writer(conductor, self.id, self.workshop.patience)
        self._held = HeldJobs(self._writer, conductor.settings.heartbeat_seconds, queues)

    def carry_out(
        self,
        job_id: str,
        links: Sequence[str] = (),
        headers: Mapping[str, Any] | None = None,
    ) -> Sequence[str]:
        """Do a job if it is there to be done, and of its chain's `links` those that follow at once.

        The message's `headers` say which trace it belongs to. Returns the links that the broker's
        chain goes on with.
        """
        with continued(headers):
            return self._carry_out(job_id, links)

    def _carry_out(self, job_id: str, links: Sequence[str]) -> Sequence[str]:
        if self._held.draining:
            self._decline(job_id)
            return ()
        claimed = self._writer.claim(job_id)
        while claimed is not None:
            ids = {
                "execution": claimed.execution_id,
                "task": claimed.task_id,
                "attempt": claimed.attempt_id,
                "job": claimed.job_id,
            }
            with logs.about(**ids), telemetry.job(claimed, self.id) as told:
                answer = self._do(claimed, links[0] if links else None, told)
            if answer is None or not answer.chain:
                return ()
            if answer.next is None:
                return links
            claimed, links = answer.next, links[1:]
        return ()

    def _do(self, claimed: Claim, next_link: str | None, told: telemetry.Job) -> Answer | None:
        """One job; the answer to its report, None when there was nothing to report."""
        began = time.monotonic()
        logs.debug(
            "job_claimed",
            kind=claimed.kind,
            name=claimed.task_key or claimed.job_id,
            number=claimed.attempt_number or claimed.fence,
        )
        crash.point("job.after_claim")
        with self._held.hold(claimed.job_id, claimed.fence) as held:
            outcome = self._outcome(claimed, held)
        told.ended(outcome)
        if outcome is None:
            return None
        crash.point("job.before_report")
        report = Report(claimed.job_id, claimed.fence, outcome, claimed.attempt_id, next_link)
        if time.monotonic() - began < QUICK and not self._held.draining:
            report = replace(report, go_on=True)
        answer = self._report(report)
        if answer.integration is None:
            return answer
        return self._integrate(claimed, report, answer.integration)

    def drain(self) -> None:
        """Stop at the next safe points and give the jobs back; asked again, end at once."""
        if self._held.draining:
            # What is held is left to its lease, commands to their supervisors.
            os._exit(1)
        logs.info("worker_draining", worker=self.id)
        self.workshop.patience.hurry()
        self._held.drain()

    def close(self) -> None:
        self._held.close()
        close_clients()
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
            outcome: Outcome | None = attempt.run(self.workshop, claimed, held)
        else:
            outcome = system_jobs.run(self.workshop, claimed, held)
        if held.overran:
            logs.info("slot_free", name=claimed.task_key)
            return None
        if held.lost:
            logs.warning("job_refused", job=claimed.job_id)
            return None
        return Released() if outcome is None and held.draining else outcome

    def _report(self, report: Report) -> Answer:
        # From here on it is in rows and events, and may be told to the next attempt's agent.
        answer = self._writer.report(replace(report, outcome=masking.within(report.outcome)))
        crash.point("job.after_report")
        if not answer.accepted:
            logs.warning("job_refused", job=report.job_id)
        return answer

    def _integrate(self, claimed: Claim, report: Report, job_id: str) -> Answer | None:
        """The winner brings its commit home itself; if it dies now the system queue does."""
        with self._held.hold(job_id, 1) as held:
            outcome = system_jobs.integrate(
                self.workshop,
                claimed,
                held,
                commit=getattr(report.outcome, "commit", "") or "",
                attempt_id=claimed.attempt_id,
            )
        if outcome is None or held.lost:
            logs.warning("job_refused", job=job_id)
            return None
        return self._report(replace(report, job_id=job_id, fence=1, outcome=outcome))

    def _register(self, role: str, slots: int, queues: Sequence[str]) -> None:
        agents = self.workshop.agents.told() if role == "agent" else {}
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
                agents=agents,
            )
        logs.info("worker_started", worker=self.id, queues=", ".join(queues), slots=slots)
