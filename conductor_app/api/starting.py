"""Starts an execution as a request asks for it, and says who will do the work."""

from typing import Any

from conductor_app import launch
from conductor_app.bootstrap import Conductor
from conductor_app.engine import queues
from conductor_app.engine.start import start
from conductor_app.settings import Settings
from conductor_app.store.database import Transaction
from conductor_app.views import connectors, current, items
from conductor_app.views.outlook import outlook


def start_execution(
    tx: Transaction, project_id: str, order: launch.Order, settings: Settings
) -> tuple[str, dict[str, Any]]:
    """A sentence and the execution as `shown`, with a `note` where it ends early."""
    prepared = launch.prepare(tx, order, settings)
    data = shown(tx, start(tx, project_id, prepared.wanted), settings)
    sentences = [f"Workflow {data['workflow']} was started ({data['label']})."]
    if prepared.note:
        sentences.append(prepared.note)
    return " ".join(sentences), {**data, "note": prepared.note}


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
