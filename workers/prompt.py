"""The opening messages of an attempt: who the agent is, its task, and all that it should know."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from workers import prompts
from workers.agents.base import AgentTask
from workers.turns import Message

# Of earlier attempts so many are told, and of what each met so many characters.
FAILURES = 3
FAILURE_LENGTH = 6_000
# Of any other part of the context.
PART_LENGTH = 12_000
_NOTES = "notes"
# By how seldom they change, and so in this order.
_HEADINGS = {
    "project": "The project",
    "patterns": "What works here",
    "lessons": "What was learnt here before",
    "map": "Its files",
}


def opening(
    task: AgentTask, title: str, capabilities: Sequence[str], *, program: bool = False
) -> list[Message]:
    """System and user message; `title` names the agent, `capabilities` are those of the phase.

    A `program` has tools of its own.
    """
    role = {"title": title, "capabilities": capabilities, "reviewing": False, "program": program}
    names = [*_HEADINGS, *(name for name in task.context if name not in (*_HEADINGS, _NOTES))]
    parts = {name: task.context[name] for name in names if name in task.context}
    values = {
        "task": task,
        "inputs": _unsaid(task),
        "sections": {
            _HEADINGS.get(name, _heading(name)): _cut(text, PART_LENGTH)
            for name, said in parts.items()
            if (text := _shown(said))
        },
        "failures": [_failure(note) for note in list(task.context.get(_NOTES, ()))[-FAILURES:]],
    }
    return [
        Message("system", prompts.render(prompts.role(task.agent), role)),
        Message("user", prompts.render("task", values)),
    ]


def made_of(agent: str) -> str:
    """The templates of such an opening, with their versions."""
    return prompts.versions(prompts.role(agent), "rules", "task")


def _unsaid(task: AgentTask) -> dict[str, Any]:
    """The inputs whose values the prompt does not have already."""
    given = {name: value for name, value in task.inputs.items() if value not in (None, "")}
    return {name: value for name, value in given.items() if str(value) not in task.prompt}


def _failure(note: Mapping[str, Any]) -> dict[str, str]:
    kind = "Review" if note.get("review") else f"Attempt {note.get('round', '?')}"
    detail = str(note.get("detail") or "")
    text = str(note.get("message") or note.get("kind") or "")
    if detail:
        # Of a log the end says most; a review's words are short.
        text += f"\n\n{detail[-FAILURE_LENGTH:]}"
    return {"heading": f"{kind}: {note.get('kind', 'not accepted')}", "text": text}


def _heading(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit].rstrip()}\n[... cut]"


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return "\n".join(f"{name}: {_shown(each)}" for name, each in value.items())
    if isinstance(value, Sequence):
        listed = all("\n" not in str(each) for each in value)
        return ("\n" if listed else "\n\n").join(
            f"- {_shown(each)}" if listed else _shown(each) for each in value
        )
    return "" if value is None else json.dumps(value, default=str)
