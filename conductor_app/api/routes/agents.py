"""Agents with their capabilities and health; the workers that serve them."""

from collections.abc import Mapping

from flask import Response

from conductor_app import catalog
from conductor_app.api.access import reading
from conductor_app.api.answers import answered, paged
from conductor_app.api.resources import resource
from conductor_app.api.schemas.base import OK, PageQuery
from conductor_app.api.schemas.workflows import AgentPath, AgentsQuery
from conductor_app.domain.spelling import closest
from conductor_app.domain.workflow import AgentSpec
from conductor_app.errors import NotFound
from conductor_app.store import workflows
from conductor_app.store.database import Transaction
from conductor_app.views import agents, current, lists

api = resource("agents", "Who does the work")


@api.get("/agents", responses=OK)
def list_agents(query: AgentsQuery) -> Response:
    """The agents with their capabilities by phase and their health."""
    with reading() as tx:
        found = agents.agents(tx, known_agents(tx, query.execution))
    return answered("Agents", {"items": found, "next_cursor": None})


@api.get("/agents/<agent>", responses=OK)
def read_agent(path: AgentPath, query: AgentsQuery) -> Response:
    """One agent."""
    with reading() as tx:
        name, known = chosen_agent(tx, path.agent, query.execution)
        return answered("Agent", agents.agents(tx, {name: known[name]})[0])


@api.get("/workers", responses=OK)
def list_workers(query: PageQuery) -> Response:
    """The workers: their queues, slots, confinement, and when they were last heard of."""
    with reading() as tx:
        page = lists.workers(tx, limit=query.limit, cursor=query.cursor)
    return paged("Workers", page)


def known_agents(tx: Transaction, execution_id: str | None) -> Mapping[str, AgentSpec]:
    """The agents of an execution's workflow, or all that are known."""
    if execution_id is None:
        return agents.known(tx)
    version = current.execution(tx, execution_id).workflow_version
    return workflows.of_version(tx, version).all_agents(catalog.AGENTS)


def chosen_agent(
    tx: Transaction, name: str, execution_id: str | None
) -> tuple[str, Mapping[str, AgentSpec]]:
    """The agent's plain name, also when it is given as `agent-NAME`; raises NotFound."""
    known = known_agents(tx, execution_id)
    plain = name if name in known else name.removeprefix("agent-")
    if plain not in known:
        near = closest(plain, known)
        meant = f"Did you mean `{near}`?" if near else f"Known: {', '.join(known)}."
        raise NotFound(f"There is no agent `{name}`. {meant}")
    return plain, known
