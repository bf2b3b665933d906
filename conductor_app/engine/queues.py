"""Which queues agent workers take: those of the built-in agents and of every open workflow."""

from sqlalchemy import select

from conductor_app.catalog import AGENTS
from conductor_app.engine.dispatch import SILENCE
from conductor_app.queue import agent_queue
from conductor_app.store import workers as worker_rows
from conductor_app.store import workflows
from conductor_app.store.database import Database, Transaction
from conductor_app.store.executions import OPEN
from conductor_app.store.tables import executions


def known(tx: Transaction) -> list[str]:
    """The queue of every agent that may have work."""
    versions = tx.all(select(executions.c.workflow_version).where(OPEN).distinct())
    agents = set(AGENTS)
    for row in versions:
        workflow = workflows.of_version(tx, row.workflow_version)
        agents |= {task.agent for phase in workflow.phases for task in phase.tasks}
        agents |= {review.agent for review in workflow.reviews()}
    return sorted(agent_queue(agent) for agent in agents)


def unserved(database: Database) -> list[str]:
    """Queues that no living agent worker takes although one could."""
    with database.read() as tx:
        agent_workers = [row for row in worker_rows.fresh(tx, SILENCE) if row.role == "agent"]
        taken = {queue for row in agent_workers for queue in row.queues}
        return [queue for queue in known(tx) if queue not in taken] if agent_workers else []
