"""Starts an execution as a request asks for it, and says who will do the work."""

from typing import Any

from conductor_app import launch
from conductor_app.engine.start import start
from conductor_app.settings import Settings
from conductor_app.store.database import Transaction
from conductor_app.views import current, items


def start_execution(
    tx: Transaction, project_id: str, order: launch.Order, settings: Settings
) -> tuple[str, dict[str, Any]]:
    """A sentence and the execution, with its `connector` and the `label` of that."""
    prepared = launch.prepare(tx, order, settings)
    execution_id = start(tx, project_id, prepared.wanted)
    workflow = prepared.wanted.workflow.name
    sentences = [f"Workflow {workflow} was started ({prepared.label})."]
    if prepared.note:
        sentences.append(prepared.note)
    data = items.execution(current.execution(tx, execution_id))
    data |= {"connector": prepared.connector, "label": prepared.label, "note": prepared.note}
    return " ".join(sentences), data
