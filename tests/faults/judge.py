"""Judges an execution from outside, by its rows, its events and its branch: I1 to I9, I12.

It shares no rule with the engine but the tables of allowed transitions.
"""

import hashlib
import hmac
import json
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Row, select

from conductor_app.domain.states import TABLES
from conductor_app.store.tables import (
    attempts,
    budgets,
    events,
    executions,
    jobs,
    milestones,
    phases,
    reservations,
    task_needs,
    tasks,
    usage,
)
from tests.fakes import secrecy
from tests.faults.cluster import Cluster

TERMINAL = {"completed", "failed", "skipped", "cancelled", "superseded"}
MET = {"completed", "skipped"}


@dataclass(frozen=True)
class BranchCommit:
    """A commit of the execution branch with its trailers."""

    sha: str
    trailers: dict[str, str]

    @property
    def takes_back(self) -> bool:
        """Whether it is a rollback's."""
        return "Conductor-Job" in self.trailers


@dataclass
class Evidence:
    """Everything about one execution, read once."""

    execution: Row[Any]
    tasks: dict[str, Row[Any]]
    needs: dict[str, set[str]]
    attempts: Sequence[Row[Any]]
    jobs: Sequence[Row[Any]]
    events: Sequence[Row[Any]]
    statuses: dict[str, dict[str, str]]
    branch: list[BranchCommit]
    secret: bytes
    budget: Row[Any] | None
    calls: Sequence[Row[Any]]
    reserved: Sequence[Row[Any]]
    faults: list[str] = field(default_factory=list)

    def must(self, holds: object, fault: str) -> None:
        if not holds:
            self.faults.append(fault)


def judge(cluster: Cluster, execution_id: str) -> Evidence:
    """Fail with every broken invariant; else what was found."""
    found = _read(cluster, execution_id)
    for rule in (
        _every_task_ended_or_a_way_out,
        _one_result_a_task,
        _the_chain_holds,
        _only_allowed_moves,
        _needs_before_tasks,
        _one_commit_a_task,
        _the_books_balance,
    ):
        rule(found)
    found.faults += _secrets_told(cluster)
    assert not found.faults, "\n".join([*found.faults, cluster.picture()])
    return found


def _secrets_told(cluster: Cluster) -> list[str]:
    """I12: what opens this installation is in nothing that it has left."""
    home = cluster.settings.home
    canaries = secrecy.secrets_of(home)
    return secrecy.leaks(home, cluster.settings.database_url, cluster.repository, canaries)


def judge_leftovers(cluster: Cluster) -> None:
    """I9: what the dead had begun is gone, soon after: processes, worktrees, locks."""
    found: list[object] = []

    def clean() -> bool:
        found[:] = [*cluster.orphans(), *leftovers(cluster)]
        return not found

    cluster.wait(clean, lambda: f"nothing is left over: {found}")


def leftovers(cluster: Cluster) -> Iterator[str]:
    """Worktrees, checkouts and locks that nobody uses any more."""
    places = cluster.settings.places
    for folder in (places.worktrees, places.checkouts):
        yield from (str(path) for path in sorted(folder.glob("*")))
    git = cluster.repository / ".git"
    for registration in sorted((git / "worktrees").glob("*")):
        yield f"{registration} with {sorted(path.name for path in registration.glob('*'))}"
    for lock in sorted(git.rglob("*.lock")):
        # One that lies there for good: it is a file to lock, not a sign of being locked.
        if lock.name != "conductor.lock":
            yield str(lock)


def _read(cluster: Cluster, execution_id: str) -> Evidence:
    with cluster.conductor.read() as tx:

        def of(table: Any, *order: Any) -> Sequence[Row[Any]]:
            statement = select(table).where(table.c.execution_id == execution_id)
            return tx.all(statement.order_by(*order))

        execution = tx.first(select(executions).where(executions.c.id == execution_id))
        assert execution is not None
        stream = f"execution:{execution_id}"
        told = tx.all(select(events).where(events.c.stream == stream).order_by(events.c.number))
        needs: dict[str, set[str]] = {}
        for row in of(task_needs):
            needs.setdefault(row.task_id, set()).add(row.need_key)
        task_rows = {row.id: row for row in of(tasks, tasks.c.id)}
        statuses = {
            "execution": {execution.id: execution.status},
            "task": {row.id: row.status for row in task_rows.values()},
            "phase": {row.id: row.status for row in of(phases)},
            "milestone": {row.id: row.status for row in of(milestones)},
        }
        return Evidence(
            execution,
            task_rows,
            needs,
            of(attempts, attempts.c.started_at),
            of(jobs, jobs.c.id),
            told,
            statuses,
            branch_of(cluster.repository, execution) if execution.uses_git else [],
            cluster.settings.signing_key(),
            tx.first(select(budgets).where(budgets.c.id == stream)),
            of(usage, usage.c.id),
            of(reservations, reservations.c.id),
        )


def branch_of(repository: Path, execution: Row[Any]) -> list[BranchCommit]:
    """The commits of the execution's branch since its base, the oldest first."""
    git = ["git", "-C", str(repository), "log", "--reverse", "--format=%H%x00%(trailers:only)%x01"]
    span = f"{execution.base_commit}..{execution.branch}"
    output = subprocess.run([*git, span], capture_output=True, text=True, check=True).stdout
    commits = []
    for entry in filter(str.strip, output.split("\x01")):
        sha, _, text = entry.strip().partition("\x00")
        pairs = (line.partition(": ") for line in text.splitlines() if ": " in line)
        commits.append(BranchCommit(sha, {name: value for name, _, value in pairs}))
    return commits


def _every_task_ended_or_a_way_out(found: Evidence) -> None:
    """I1"""
    execution = found.execution
    if execution.status == "paused":
        told = execution.reason and "Way out" in (execution.reason_detail or "")
        found.must(told, f"I1: paused without a way out: {execution.reason_detail}")
        return
    found.must(execution.status in TERMINAL, f"I1: the execution is {execution.status}")
    for task in found.tasks.values():
        # What lies beyond the target was never accepted: nobody asked this execution for it.
        beyond = task.phase > execution.target_phase and task.status == "waiting"
        fine = task.status in TERMINAL or beyond
        found.must(fine, f"I1: task {task.key} is {task.status}")
    for job in found.jobs:
        found.must(job.status not in ("queued", "active"), f"I1: a {job.kind} job is {job.status}")
    for attempt in found.attempts:
        found.must(attempt.status != "active", f"I1: attempt {attempt.id} is active still")


def _one_result_a_task(found: Evidence) -> None:
    """I2, by the rows; `_one_commit_a_task` says the same of the branch."""
    done = Counter(row.task_id for row in found.attempts if row.status == "succeeded")
    for task in found.tasks.values():
        if task.status == "completed" and task.commit is None:
            found.must(done[task.id] == 1, f"I2: {task.key} has {done[task.id]} successes")
    for attempt in found.attempts:
        later = [
            row
            for row in found.attempts
            if row.task_id == attempt.task_id and row.fence == attempt.fence
        ]
        known = len({row.number for row in later}) == len(later)
        found.must(known, f"I2: two attempts of {attempt.task_id} with one number")


def _the_chain_holds(found: Evidence) -> None:
    """I5: numbered 1..n, chained over keyed digests, folding to the statuses of the rows."""
    link = "0" * 64
    for expected, event in enumerate(found.events, start=1):
        found.must(event.number == expected, f"I5: event {expected} has number {event.number}")
        text = json.dumps(
            event.payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
        digest = hmac.new(found.secret, text, hashlib.sha256).hexdigest()
        found.must(event.digest == digest, f"I5: event {expected} has another digest")
        words = (link, event.stream, event.number, event.type, event.at, event.digest)
        link = hashlib.sha256("\n".join(map(str, words)).encode()).hexdigest()
        found.must(event.link == link, f"I5: event {expected} does not follow its predecessor")
    folded: dict[str, dict[str, str]] = {}
    for _, kind, id_, _, after in _moves(found.events):
        folded.setdefault(kind, {})[id_] = after
    for kind, statuses in found.statuses.items():
        found.must(folded.get(kind, {}) == statuses, f"I5: {kind}: events and rows differ")


def _only_allowed_moves(found: Evidence) -> None:
    """I6"""
    now: dict[tuple[str, str], str] = {}
    for number, kind, id_, before, after in _moves(found.events):
        if before is not None:
            known = now.get((kind, id_))
            found.must(known == before, f"I6: event {number}: {kind} was {known}, not {before}")
            allowed = after in TABLES[kind].get(before, frozenset())
            found.must(allowed, f"I6: event {number}: {kind} went from {before} to {after}")
        now[kind, id_] = after


def _needs_before_tasks(found: Evidence) -> None:
    """I7: when a task became active, the newest row of everything it needs was met."""
    state: dict[str, str] = {}
    newest: dict[str, str] = {}
    for number, kind, id_, before, after in _moves(found.events):
        if kind != "task":
            continue
        state[id_] = after
        task = found.tasks[id_]
        if before is None:
            newest[task.key] = id_
        if after == "active":
            for need in found.needs.get(id_, ()):
                met = state.get(newest.get(need, ""), "missing")
                found.must(met in MET, f"I7: event {number}: {task.key} began; {need} was {met}")


def _one_commit_a_task(found: Evidence) -> None:
    """I8, I2: each completed task's commit is on the branch once, and nothing else is there."""
    task_of = {attempt.id: attempt.task_id for attempt in found.attempts}
    by_task: dict[str, list[str]] = {}
    taken_back = max((i for i, c in enumerate(found.branch) if c.takes_back), default=-1)
    for index, commit in enumerate(found.branch):
        if commit.takes_back:
            continue
        task_id = task_of.get(commit.trailers.get("Conductor-Attempt", ""))
        found.must(task_id, f"I8: commit {commit.sha} is of no attempt: {commit.trailers}")
        if task_id is None:
            continue
        by_task.setdefault(task_id, []).append(commit.sha)
        task = found.tasks[task_id]
        fine = task.status == "completed" or index < taken_back
        found.must(fine, f"I8: commit {commit.sha} is of {task.key}, which is {task.status}")
    for task in found.tasks.values():
        if task.status != "completed" or task.commit is None:
            continue
        commits = by_task.get(task.id, [])
        found.must(commits == [task.commit], f"I8: {task.key}: {task.commit} against {commits}")


def _the_books_balance(found: Evidence) -> None:
    """I3: every call is paid for once, the lost ones whole, and nothing stays reserved.

    One that its provider refused costs nothing: its attempt waits then, or has failed.
    """
    paid = Counter(row.reservation_id for row in found.calls)
    done = {row.id for row in found.attempts if row.status == "succeeded"}
    refused = {row.id for row in found.attempts if row.status in ("suspended", "failed")}
    for call in found.reserved:
        found.must(call.status == "settled", f"I3: call {call.id} stays reserved")
        once = paid[call.id] == 1 or (paid[call.id] == 0 and call.attempt_id in refused)
        found.must(once, f"I3: call {call.id} is paid {paid[call.id]} times")
    for row in found.calls:
        sure = row.basis == "reported" or row.attempt_id not in done
        found.must(sure, f"I3: {row.attempt_id} succeeded, and what its call took is {row.basis}")
    if found.budget is None:
        return
    for unit in ("tokens", "nano_usd"):
        total = sum(getattr(row, unit) for row in found.calls)
        spent = getattr(found.budget, f"{unit}_spent")
        found.must(spent == total, f"I3: {spent} {unit} are spent, the calls say {total}")
        held = getattr(found.budget, f"{unit}_reserved")
        found.must(held == 0, f"I3: {held} {unit} stay reserved")


def _moves(told: Sequence[Row[Any]]) -> Iterator[tuple[int, str, str, str | None, str]]:
    """Of each event the kind, id, state before (None: it began) and state after."""
    for event in told:
        if created := event.payload.get("created"):
            for id_ in created["ids"]:
                yield event.number, created["kind"], id_, None, created["to"]
        if move := event.payload.get("move"):
            yield event.number, move["kind"], move["id"], move["from"], move["to"]
