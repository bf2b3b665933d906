"""What an execution consists of and what is told of it: report, events, phases, graph."""

from flask import Response

from conductor_app.api.access import conductor, connector, reading
from conductor_app.api.answers import answered, paged
from conductor_app.api.resources import resource
from conductor_app.api.schemas.base import OK, PageQuery
from conductor_app.api.schemas.executions import EventsQuery, ExecutionPath, FormatQuery
from conductor_app.recordings import recorded_here
from conductor_app.views import current, graph, lists, report

api = resource("execution parts", "What executions consist of", "/executions/<execution_id>")


@api.get("/report", responses=OK)
def read_report(path: ExecutionPath, query: FormatQuery) -> Response:
    """Phases, milestones with their evidence, commits, attempts, time, tokens, cost."""
    with reading() as tx:
        workflow = current.execution(tx, path.execution_id).workflow_name
        recorded = recorded_here(workflow, conductor().settings)
        told = report.report(tx, path.execution_id, connector(), recorded)
    return answered("Report", query.formatted(told, report.markdown))


@api.get("/events", responses=OK)
def list_events(path: ExecutionPath, query: EventsQuery) -> Response:
    """The facts of the execution in their order, numbered without gaps."""
    with reading() as tx:
        current.execution(tx, path.execution_id)
        page = lists.events(
            tx,
            f"execution:{path.execution_id}",
            type_=query.type,
            limit=query.limit,
            cursor=query.cursor,
        )
    return paged("Events", page)


@api.get("/phases", responses=OK)
def list_phases(path: ExecutionPath, query: PageQuery) -> Response:
    """The phases in their order."""
    with reading() as tx:
        current.execution(tx, path.execution_id)
        page = lists.phases(tx, path.execution_id, limit=query.limit, cursor=query.cursor)
    return paged("Phases", page)


@api.get("/checkpoints", responses=OK)
def list_checkpoints(path: ExecutionPath, query: PageQuery) -> Response:
    """The checkpoints before the phases, to which it can be rolled back."""
    with reading() as tx:
        current.execution(tx, path.execution_id)
        page = lists.checkpoints(tx, path.execution_id, limit=query.limit, cursor=query.cursor)
    return paged("Checkpoints", page)


@api.get("/errors", responses=OK)
def list_errors(path: ExecutionPath, query: PageQuery) -> Response:
    """What went wrong, with its severity, the newest first."""
    with reading() as tx:
        current.execution(tx, path.execution_id)
        page = lists.errors(tx, path.execution_id, limit=query.limit, cursor=query.cursor)
    return paged("Errors", page)


@api.get("/graph", responses=OK)
def read_graph(path: ExecutionPath) -> Response:
    """Its tasks and what each needs."""
    with reading() as tx:
        current.execution(tx, path.execution_id)
        return answered("Graph", graph.graph(tx, path.execution_id))


@api.get("/timeline", responses=OK)
def read_timeline(path: ExecutionPath) -> Response:
    """When each phase and attempt began and ended."""
    with reading() as tx:
        current.execution(tx, path.execution_id)
        return answered("Timeline", graph.timeline(tx, path.execution_id))
