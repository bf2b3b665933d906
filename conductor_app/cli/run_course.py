"""The course of a run, once its stack is up: begin, announce, follow, report, or pause."""

import shlex
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from conductor_app.cli import run_begin
from conductor_app.cli.client import Api, api_of
from conductor_app.cli.files import written_in_the_end
from conductor_app.cli.output import Output
from conductor_app.cli.reading import NothingHere, open_database, reading
from conductor_app.cli.run_announcement import announcement
from conductor_app.cli.run_begin import Begun
from conductor_app.cli.run_follow import follow, teller
from conductor_app.cli.run_project import fresh_directory
from conductor_app.cli.run_report import report_lines
from conductor_app.cli.run_stack import PATIENCE_SECONDS, goes_on, running_stack
from conductor_app.cli.run_stall import Stall
from conductor_app.cli.run_watch import Watch
from conductor_app.cli.words import resume_command
from conductor_app.domain.states import EXECUTION_ENDED, ExecutionState, PauseReason
from conductor_app.errors import ConductorError, Refused
from conductor_app.launch import Order
from conductor_app.recordings import recorded_here
from conductor_app.settings import Settings
from conductor_app.stack import embedded
from conductor_app.stack.embedded import RunningStack
from conductor_app.stack.supervisor_client import ProgramState
from conductor_app.store.database import Database
from conductor_app.store.schema import SchemaProblem
from conductor_app.transcribing import NothingToRecord, record
from conductor_app.views import current
from conductor_app.views.report import report
from conductor_app.workflows import loader


class Interrupted(ConductorError):
    """The run was interrupted."""

    code = "interrupted"
    # What shells report for a program that Ctrl-C ended.
    exit_code = 130


class Unfinished(Refused):
    """The run ended before its target phase was complete."""

    code = "unfinished"


def run(
    settings: Settings,
    output: Output,
    order: Order | None,
    location: str | None,
    *,
    record: bool = False,
) -> None:
    """Run the order on the repository (None: a fresh one); no order means to resume.

    Raises Unfinished, Interrupted, RunUnderWay, and what stack and API raise.
    """
    left = _left(settings, location) if order is None else None
    with ExitStack() as while_running:
        # Left last: nothing writes them after what the stack did in the end.
        begun_ids = while_running.enter_context(written_in_the_end(settings, output))
        stack = while_running.enter_context(running_stack(settings, output))
        database = while_running.enter_context(open_database(settings))
        api = api_of(stack, settings, patience=PATIENCE_SECONDS)
        course = _Course(settings, output, stack, database, api, record)
        begun = course.begin(order, location, left)
        begun_ids.append(begun.execution_id)
        try:
            course.announce(begun, resumed=order is None)
            course.follow(begun)
        except KeyboardInterrupt:
            course.pause(begun)


def _left(settings: Settings, location: str | None) -> Begun | None:
    """What is to be resumed; None where only the stack can tell, which makes or mends the schema.

    Looked up before the stack is started, which may finish it at once. Raises NotFound.
    """
    try:
        with reading(settings) as tx:
            return run_begin.unfinished(tx, location, Path.cwd())
    except (NothingHere, SchemaProblem):
        return None


@dataclass(frozen=True)
class _Course:
    settings: Settings
    output: Output
    stack: RunningStack
    database: Database
    api: Api
    record: bool

    def begin(self, order: Order | None, location: str | None, left: Begun | None) -> Begun:
        if order is None:
            with self.database.read() as tx:
                left = left or run_begin.unfinished(tx, location, Path.cwd())
                return run_begin.resume(self.api, tx, left)
        location = location or str(fresh_directory(self.settings.home))
        with run_begin.one_at_a_time(self.settings.home):
            with self.database.read() as tx:
                run_begin.require_free(tx, location, stack_goes_on=goes_on(self.stack))
            return run_begin.begin(self.api, location, order)

    def announce(self, begun: Begun, *, resumed: bool) -> None:
        """Say what is going to happen, what it may cost, and where it can be watched."""
        shown = self.api.get(f"executions/{begun.execution_id}").data
        connectors, outlook = shown["connector"], shown["outlook"]
        with self.database.read() as tx:
            execution = current.execution(tx, begun.execution_id)
            lines = [*announcement(tx, execution, connectors, outlook, resumed=resumed)]
        lines.append(f"API {self.stack.url}, token in {self.stack.token_file}")
        for line in (*lines, *filter(None, [begun.note]), ""):
            teller(self.output)(line)

    def follow(self, begun: Begun) -> None:
        """Show what happens until the execution rests, then the report."""
        stall = Stall(begun.execution_id, self._programs, self.stack.logs)
        watch = Watch(self.database, begun.execution_id, begun.seen, stall)
        execution = follow(watch, self.output)
        with self.database.read() as tx:
            default = self.settings.default_connector
            recorded = recorded_here(execution.workflow_name, self.settings)
            found = report(tx, execution.id, default, recorded)
            told = {**found, "repository": execution.location}
        for line in report_lines(told, execution.location):
            self.output.say(line)
        if self.record:
            self.output.say(f"Recorded  {self._recorded(execution)}\n")
        if execution.status == ExecutionState.COMPLETED:
            self.output.result(told, "The run is complete.")
            return
        why = execution.reason_detail or execution.reason
        raise Unfinished(
            f"Execution {execution.id} is {execution.status}{f': {why}' if why else '.'} "
            f"{way_on(execution, stack_goes_on=goes_on(self.stack))}",
            report=told,
        )

    def _recorded(self, execution: Row[Any]) -> str:
        root = self.settings.recordings or self.settings.places.recordings
        try:
            with self.database.read() as tx:
                return str(record(tx, execution, self.settings.places.artifacts, root))
        except NothingToRecord as nothing:
            return nothing.message

    def _programs(self) -> Collection[ProgramState]:
        return self.stack.supervisor().states().values()

    def pause(self, begun: Begun) -> None:
        self.output.note(
            "\nPausing: work in progress reaches a safe point. Ctrl-C again does not wait for it."
        )
        how = f"Execution {begun.execution_id} is paused and nothing is lost."
        if embedded.find(self.stack.home):
            body = {"reason": "`conductor run` was interrupted."}
            self.api.post(f"executions/{begun.execution_id}/pause", body)
        else:
            how = "Conductor was stopped meanwhile; nothing is lost."
        with self.database.read() as tx:
            execution = current.execution(tx, begun.execution_id)
        raise Interrupted(
            f"{how} Go on with: {resume_command(execution.location)}",
            execution=begun.execution_id,
        ) from None


def way_on(execution: Row[Any], *, stack_goes_on: bool) -> str:
    """What to type after a run that did not reach its target."""
    place = shlex.quote(execution.location)
    if execution.status in EXECUTION_ENDED:
        # The text of a workflow of one's own is kept, but not where its file lies.
        known = execution.workflow_name in loader.builtin_names()
        again = f"{execution.workflow_name if known else 'FILE'} --project {place}"
        given = f", and the inputs {', '.join(execution.inputs)}" if execution.inputs else ""
        return f"Start anew with: conductor run {again}{given}"
    on = resume_command(execution.location)
    if execution.reason not in (PauseReason.BLOCKED, PauseReason.BUDGET_EXHAUSTED):
        return f"Go on with: {on}"
    if stack_goes_on:
        return f"Afterwards go on with: {on}"
    # What mends it asks the API, which ends with this run.
    return f"Start Conductor for that with `conductor up`; afterwards go on with: {on}"
