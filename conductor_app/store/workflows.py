"""Workflow versions: kept as written and as the validated model; an execution pins one."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sqlalchemy import Row, select

from conductor_app.catalog import AGENTS
from conductor_app.domain.workflow import AgentSpec, Workflow
from conductor_app.errors import NotFound
from conductor_app.store.database import Transaction
from conductor_app.store.tables import workflow_versions

# A version never changes, so what was read once is read.
_read: dict[str, "_Read"] = {}
KEPT = 64


@dataclass(frozen=True, slots=True)
class _Read:
    workflow: Workflow
    agents: Mapping[str, AgentSpec]


def of_version(tx: Transaction, version: str) -> Workflow:
    return _of_version(tx, version).workflow


def agents_of(tx: Transaction, version: str) -> Mapping[str, AgentSpec]:
    """Every agent as this version of a workflow has it."""
    return _of_version(tx, version).agents


def _of_version(tx: Transaction, version: str) -> _Read:
    # Other threads empty it: what was found is held, not looked up again.
    if (found := _read.get(version)) is not None:
        return found
    model = tx.value(
        select(workflow_versions.c.model).where(workflow_versions.c.version == version)
    )
    if model is None:
        raise NotFound(f"There is no workflow version {version[:12]} in this database.")
    workflow = Workflow.model_validate_json(model)
    if len(_read) >= KEPT:
        _read.clear()
    _read[version] = fresh = _Read(workflow, MappingProxyType(workflow.all_agents(AGENTS)))
    return fresh


def newest(tx: Transaction, name: str) -> Row[Any] | None:
    """The version of a workflow that was kept last."""
    return tx.first(
        select(workflow_versions)
        .where(workflow_versions.c.name == name)
        .order_by(workflow_versions.c.created_at.desc())
        .limit(1)
    )


def kept(tx: Transaction, version: str) -> Row[Any] | None:
    return tx.first(select(workflow_versions).where(workflow_versions.c.version == version))


def names(tx: Transaction) -> list[str]:
    statement = select(workflow_versions.c.name).distinct()
    return [row.name for row in tx.all(statement)]


def keep(tx: Transaction, workflow: Workflow, version: str, source: str, text: str) -> None:
    """Keep a version; keeping it again, or by two at once, changes nothing."""
    known = select(workflow_versions.c.version).where(workflow_versions.c.version == version)
    if tx.value(known):
        return
    row = {
        "version": version,
        "name": workflow.name,
        "source": source,
        "text": text,
        "model": workflow.model_dump_json(exclude_unset=True),
        "created_at": tx.now,
    }
    tx.add_new(workflow_versions, row)
