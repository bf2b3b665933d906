"""A task and an attempt's surroundings as agents get them; tests name only what they care for."""

import time
from pathlib import Path
from typing import Any

from workers.agents.base import AgentContext, AgentTask
from workers.sandbox import Level, Sandbox


def agent_task(key: str = "0/a", **given: Any) -> AgentTask:
    usual: dict[str, Any] = {
        "id": "t",
        "execution_id": "e",
        "workflow": "w",
        "phase": int(key.split("/")[0]),
        "phase_name": "p",
        "agent": "api",
        "title": "A",
    }
    return AgentTask(key=key, **(usual | given))


def agent_context(folder: Path, **given: Any) -> AgentContext:
    """Worktree and artifacts are in the folder, the worktree is made; its time is a minute."""
    (folder / "worktree").mkdir(exist_ok=True)
    usual: dict[str, Any] = {
        "worktree": folder / "worktree",
        "sandbox": Sandbox(Level.UNCONFINED),
        "connector": None,
        "log": lambda line: None,
        "cancelled": lambda: False,
        "deadline": time.monotonic() + 60,
        "artifacts": folder / "artifacts",
    }
    return AgentContext(**(usual | given))
