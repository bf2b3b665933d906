"""Starts an execution as a request asks for it, and says who will do the work."""

from collections.abc import Iterator
from typing import Any

from conductor_app import launch
from conductor_app.bootstrap import Conductor
from conductor_app.catalog import AGENTS
from conductor_app.domain import mcp
from conductor_app.domain.workflow import Workflow
from conductor_app.engine import queues
from conductor_app.engine.start import start
from conductor_app.settings import Settings
from conductor_app.store import projects
from conductor_app.store.database import Transaction
from conductor_app.views import connectors, current, items
from conductor_app.views.outlook import outlook


def start_execution(
    tx: Transaction, project_id: str, order: launch.Order, settings: Settings
) -> tuple[str, dict[str, Any]]:
    """A sentence and the execution as `shown`, with a `note` of what may not be as expected."""
    prepared = launch.prepare(tx, order, settings)
    missing = _missing_servers(tx, project_id, prepared.wanted.workflow)
    note = " ".join(filter(None, [prepared.note, *missing])) or None
    data = shown(tx, start(tx, project_id, prepared.wanted), settings)
    sentences = [f"Workflow {data['workflow']} was started ({data['label']})."]
    if note:
        sentences.append(note)
    return " ".join(sentences), {**data, "note": note}


def _missing_servers(tx: Transaction, project_id: str, workflow: Workflow) -> Iterator[str]:
    """A sentence for each MCP server that an agent at work names and the project does not have."""
    settings = projects.get(tx, project_id).settings or {}
    agents = workflow.all_agents(AGENTS)
    for name in sorted({task.agent for phase in workflow.phases for task in phase.tasks}):
        agent = agents[name]
        # Agents that are functions have no such tools.
        if not agent.mcp or agent.function is not None:
            continue
        for server in mcp.offers(settings, agent.mcp).unknown:
            yield (
                f"agent-{name} is to have the MCP server `{server}`, which this project does not "
                "have, so it works without. Add it with "
                f"`conductor project mcp add {server} -- COMMAND`."
            )


def shown(tx: Transaction, execution_id: str, settings: Settings) -> dict[str, Any]:
    """An execution with the `connector` that works for it, and what that is as `label`.

    `outlook` says what it may cost, in sentences; empty where no model is called.
    """
    row = current.execution(tx, execution_id)
    connector = connectors.label(tx, row, settings.default_connector)
    return {
        **items.execution(row),
        "connector": connector,
        "label": launch.label_of(connector),
        "outlook": outlook(tx, row, settings) if launch.costs(connector) else [],
    }


def consume_queues(conductor: Conductor) -> None:
    """Have workers take the queues of agents that are new to them, without waiting for the tick."""
    for queue in queues.unserved(conductor.database):
        conductor.queue.consume(queue)
