"""Document 000's nine endpoints, acting on the project's current execution."""

from contextlib import suppress

from flask import Response

from conductor_app.api import meant, starting
from conductor_app.api.access import conductor, connector, reading
from conductor_app.api.answers import Answer, answered
from conductor_app.api.mutations import change
from conductor_app.api.resources import resource
from conductor_app.api.routes.agents import chosen_agent
from conductor_app.api.routes.executions import rolled_back
from conductor_app.api.routes.judging import accepted
from conductor_app.api.schemas.base import ACCEPTED, OK, Nothing
from conductor_app.api.schemas.executions import (
    DeployPath,
    OrchestratorQuery,
    ReadOrchestrator,
    Rollback,
    StartOrchestrator,
)
from conductor_app.engine import control, projects
from conductor_app.errors import InvalidInput, NotFound
from conductor_app.queue import agent_queue
from conductor_app.recordings import recorded_here
from conductor_app.store import projects as stored
from conductor_app.store.database import Transaction
from conductor_app.views import agents, current, dashboard, report
from conductor_app.views.status import status

api = resource("orchestrator", "The project's current execution", "/orchestrator")


@api.post("/start", responses=OK)
def start_orchestrator(query: OrchestratorQuery, body: StartOrchestrator) -> Response:
    """Go on with the current execution; when there is none, start one."""
    response = change(lambda tx: _start(tx, query, body))
    starting.consume_queues(conductor())
    return response


@api.post("/stop", responses=OK)
def stop_orchestrator(query: OrchestratorQuery, body: Nothing) -> Response:
    """Pause: nothing new begins, what runs goes on to its end; the state is saved."""

    def stop(tx: Transaction) -> Answer:
        row = meant.current_execution(tx, query.project, query.execution)
        control.pause(tx, row.id, "The orchestrator was stopped.")
        return Answer("Orchestrator stopped; its state is saved", _status(tx, row.id))

    return change(stop)


@api.get("/status", responses=OK)
def read_status(query: OrchestratorQuery) -> Response:
    """Document 000's status."""
    with reading() as tx:
        row = meant.last_execution(tx, query.project, query.execution)
        return answered("Orchestrator status retrieved", _status(tx, row.id))


@api.post("/advance", responses=OK)
def advance(query: OrchestratorQuery, body: Nothing) -> Response:
    """Go to the next phase; refused while something of this one is missing."""

    def effect(tx: Transaction) -> Answer:
        row = meant.current_execution(tx, query.project, query.execution)
        return Answer(control.advance(tx, row.id), _status(tx, row.id))

    return change(effect)


@api.post("/rollback", responses={**OK, **ACCEPTED})
def roll_back(query: OrchestratorQuery, body: Rollback) -> Response:
    """Go back to the previous phase, or to the beginning of the one that is named."""

    def effect(tx: Transaction) -> Answer:
        row = meant.current_execution(tx, query.project, query.execution)
        return rolled_back(tx, row.id, body.to)

    return change(effect)


@api.post("/test", responses=ACCEPTED)
def test_phase(query: OrchestratorQuery, body: Nothing) -> Response:
    """Run the current phase's exit criteria and tests; the result is at /jobs/JOB."""

    def effect(tx: Transaction) -> Answer:
        row = meant.current_execution(tx, query.project, query.execution)
        return accepted(control.test(tx, row.id), f"Phase {row.current_phase}")

    return change(effect)


@api.post("/deploy/<agent>", responses=OK)
def deploy(path: DeployPath, query: OrchestratorQuery, body: Nothing) -> Response:
    """Make an agent available: its queue is consumed, its ready tasks are sent now."""

    def effect(tx: Transaction) -> Answer:
        row = meant.current_execution(tx, query.project, query.execution)
        name, _ = chosen_agent(tx, path.agent, row.id)
        sent = control.deploy(tx, row.id, name)
        data = {"agent": name, "execution_id": row.id, "queued_tasks": sent}
        return Answer(f"agent-{name} is deployed", {**data, "health": agents.health(tx, name)})

    response = change(effect)
    deployed = (response.get_json() or {})["data"]["agent"]
    # Harmless when repeated: a worker that takes the queue already changes nothing.
    conductor().queue.consume(agent_queue(deployed))
    return response


@api.get("/report", responses=OK)
def read_report(query: ReadOrchestrator) -> Response:
    """The full report."""
    with reading() as tx:
        row = meant.last_execution(tx, query.project, query.execution)
        recorded = recorded_here(row.workflow_name, conductor().settings)
        told = report.report(tx, row.id, connector(), recorded)
    return answered("Orchestrator report generated", query.formatted(told, report.markdown))


@api.get("/dashboard", responses=OK)
def read_dashboard(query: ReadOrchestrator) -> Response:
    """The dashboard's data."""
    with reading() as tx:
        row = meant.last_execution(tx, query.project, query.execution)
        told = dashboard.dashboard(tx, row.id, connector())
    return answered("Orchestrator dashboard retrieved", query.formatted(told, dashboard.markdown))


def _start(tx: Transaction, query: OrchestratorQuery, body: StartOrchestrator) -> Answer:
    if body.project and query.project and body.project != query.project:
        raise InvalidInput("The address and the body name different projects; name one.")
    project = body.project or query.project
    if query.execution is not None:
        return _resumed(tx, query.execution)
    if project is None:
        try:
            return _resumed(tx, meant.current_execution(tx, None, None).id)
        except NotFound:
            chosen = projects.only(tx).id
    else:
        chosen = projects.find_or_create(tx, project).id
    # Of two requests at once the second sees here what the first has started.
    stored.lock(tx, chosen)
    with suppress(NotFound):
        return _resumed(tx, current.current_execution(tx, chosen).id)
    message, data = starting.start_execution(tx, chosen, body.order(), conductor().settings)
    return Answer(f"Orchestrator started. {message}", {**_status(tx, data["id"]), **_told(data)})


def _resumed(tx: Transaction, execution_id: str) -> Answer:
    control.resume(tx, execution_id)
    data = starting.shown(tx, execution_id, conductor().settings)
    message = f"Orchestrator started: execution {execution_id} goes on ({data['label']})."
    return Answer(message, {**_status(tx, execution_id), **_told({**data, "note": None})})


def _told(data: dict[str, object]) -> dict[str, object]:
    return {"label": data["label"], "note": data["note"]}


def _status(tx: Transaction, execution_id: str) -> dict[str, object]:
    return status(tx, execution_id, connector())
