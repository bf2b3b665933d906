"""What a run is to do: workflow, inputs, connector, phases; settled before anything starts."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from conductor_app import recordings
from conductor_app.catalog import AGENTS, CONNECTORS, FUNCTION
from conductor_app.domain.priority import MOST_WEIGHT, WEIGHTS
from conductor_app.errors import InvalidInput, Refused
from conductor_app.launch import DEFAULT_WORKFLOW, REPLAY
from conductor_app.workflows import loader
from conductor_app.workflows.loader import Loaded

# A key in the environment chooses nothing; who has one is told so.
KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "DEEPSEEK_API_KEY")


class NoSuchConnector(InvalidInput):
    """This version of Conductor has no such connector."""

    code = "no_such_connector"


class NothingRecorded(Refused):
    """There is no recording to replay."""

    code = "nothing_recorded"


@dataclass(frozen=True)
class Order:
    """A run that can start. `unrecorded` are the phases that replay can't reach, as words."""

    loaded: Loaded
    inputs: dict[str, str]
    connector: str | None
    target_phase: int
    replay_before: int = 0
    priority: str | int = "normal"
    unrecorded: Sequence[str] = field(default=())

    @property
    def target(self) -> str:
        return phase_words(self.loaded, self.target_phase)

    def announcement(self) -> list[str]:
        """What is going to happen and what it may cost, a sentence each."""
        workflow = self.loaded.workflow
        lines = [
            f"Workflow {workflow.name}: {workflow.title}, up to phase {self.target}",
            connector_line(self.connector or FUNCTION),
        ]
        if keys := [key for key in KEYS if os.environ.get(key)]:
            lines.append(f"Not used: {', '.join(keys)}. A key alone never chooses a paid model")
        if self.unrecorded:
            lines.append(f"No recording, so not part of this run: {', '.join(self.unrecorded)}")
        return lines


def connector_line(label: str) -> str:
    """Which connectors do the work, as `views.connectors` labels them, and what they may cost."""
    replayed = "recorded turns, written by people, not by a model" if REPLAY in label else ""
    functions = "agents that are Python functions" if FUNCTION in label else ""
    words = "; ".join(filter(None, (replayed, functions)))
    return f"Connector {label}: {words}. Cost: nothing"


def settle(
    workflow: str | None = None,
    inputs: Sequence[str] = (),
    *,
    connector: str | None = None,
    configured: str | None = None,
    recorded_in: Path | None = None,
    start: int = 0,
    priority: str | None = None,
) -> Order:
    """What this run will do, or why it can't.

    `connector` was asked for, `configured` and `recorded_in` are the settings'. A key in the
    environment chooses nothing. Raises NotFound, InvalidWorkflow, InvalidInput, NoSuchConnector,
    NothingRecorded.
    """
    loaded = loader.load(workflow or DEFAULT_WORKFLOW)
    given = _pairs(inputs)
    loaded.workflow.parse_inputs(given)
    used = connectors_in_use(loaded, connector, configured)
    for name in sorted(used):
        if name not in CONNECTORS:
            raise NoSuchConnector(_refusal(name))
    last = loaded.workflow.phases[-1].number
    target = _last_recorded(loaded, recorded_in) if used else last
    if not 0 <= start <= target:
        raise InvalidInput(f"--from {start}: this run has the phases 0 to {target}.")
    return Order(
        loaded,
        given,
        REPLAY if used else None,
        target,
        start,
        _priority(priority or "normal"),
        [phase_words(loaded, number) for number in range(target + 1, last + 1)],
    )


def connectors_in_use(loaded: Loaded, asked: str | None, configured: str | None) -> set[str]:
    """The connectors of the agents that have tasks; agents that are functions have none."""
    agents = loaded.workflow.all_agents(AGENTS)
    working = {agents[task.agent].name: agents[task.agent] for task in loaded.workflow.plan(AGENTS)}
    return {
        asked or agent.connector or configured or REPLAY
        for agent in working.values()
        if agent.function is None
    }


def phase_words(loaded: Loaded, number: int) -> str:
    return f"{number} ({loaded.workflow.phase(number).name})"


def _last_recorded(loaded: Loaded, recorded_in: Path | None) -> int:
    root = recorded_in or recordings.BUILT_IN
    last = recordings.last_recorded_phase(loaded.workflow, AGENTS, root)
    if last is None:
        raise NothingRecorded(
            f"Workflow {loaded.workflow.name} has no recording of its first phase, so the "
            f"connector `replay` can't run it. `conductor run {DEFAULT_WORKFLOW}` is recorded; "
            "agents that are Python functions (`function:` in the template) need no recording."
        )
    return last


def _pairs(inputs: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for each in inputs:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise InvalidInput(
                f"--input {each}: write it as name=value, as in --input title=Wishes."
            )
        pairs[name] = value
    return pairs


def _priority(text: str) -> str | int:
    if text in WEIGHTS:
        return text
    if text.isdecimal() and 1 <= int(text) <= MOST_WEIGHT:
        return int(text)
    names = ", ".join(WEIGHTS)
    raise InvalidInput(f"--priority {text}: choose {names}, or a number from 1 to {MOST_WEIGHT}.")


def _refusal(name: str) -> str:
    return (
        f"There is no connector `{name}` in this version of Conductor. It has: "
        f"{', '.join(CONNECTORS)} (recorded turns, costs nothing), and agents that are Python "
        "functions. Leave out --connector and CONDUCTOR_CONNECTOR, or set them to `replay`."
    )
