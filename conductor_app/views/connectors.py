"""What works for an execution, so that a replay is labelled as one wherever it shows."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Row

from conductor_app.catalog import AGENTS, FUNCTION
from conductor_app.domain.workflow import AgentSpec, PhaseSpec, Workflow
from conductor_app.store import workflows
from conductor_app.store.database import Transaction

REPLAY = "replay"


def of_phases(tx: Transaction, execution: Row[Any], default: str = REPLAY) -> dict[int, list[str]]:
    """The connectors of each phase of the workflow; `default` is for agents that name none."""
    workflow = workflows.of_version(tx, execution.workflow_version)
    return {
        phase.number: sorted({name for _, name in at_work(workflow, execution, phase, default)})
        for phase in workflow.phases
    }


def at_work(
    workflow: Workflow, execution: Row[Any], phase: PhaseSpec, default: str = REPLAY
) -> Iterator[tuple[AgentSpec, str]]:
    """The agents of a phase and of its reviews, each with its connector."""
    agents = workflow.all_agents(AGENTS)
    for name in sorted({task.agent for task in phase.tasks}):
        yield agents[name], connector_of(execution, phase.number, agents[name], default)
    for name in sorted({review.agent for review in workflow.reviews(phase.number)}):
        chosen = _chosen(execution, phase.number)
        yield agents[name], reviewing(agents[name], chosen, default)


def connector_of(execution: Row[Any], phase: int, agent: AgentSpec, default: str = REPLAY) -> str:
    """As workers choose: a replayed phase, the execution's own, the agent's, the default."""
    if agent.function:
        return FUNCTION
    if phase < execution.replay_before:
        return REPLAY
    return str(execution.connector or agent.connector or default)


def chooser(
    tx: Transaction, execution: Row[Any], default: str = REPLAY
) -> Callable[[int, str], str]:
    """What works for the agent of this name in this phase."""
    agents = workflows.of_version(tx, execution.workflow_version).all_agents(AGENTS)

    def connector(phase: int, agent: str) -> str:
        return connector_of(execution, phase, agents[agent], default)

    return connector


def reviewing(agent: AgentSpec, chosen: str | None, default: str = REPLAY) -> str:
    """What an agent reviews with: its own connector before the run's, so that who reviews is
    another than who works; `replay` where the run is one."""
    return REPLAY if chosen == REPLAY else agent.connector or chosen or default


def _chosen(execution: Row[Any], phase: int) -> str | None:
    chosen: str | None = execution.connector
    return REPLAY if phase < execution.replay_before else chosen


def only_replayed(of_phase: Mapping[int, Sequence[str]], target: int) -> bool:
    """Whether all turns up to that phase come from recordings."""
    names = {name for number, each in of_phase.items() if number <= target for name in each}
    return names - {FUNCTION} == {REPLAY}


def replayed(of_phase: Mapping[int, Sequence[str]], target: int) -> str:
    """What comes from recordings: `phase 0`, `phases 0 to 2 and part of phase 3`, or nothing."""
    inside = {number: set(each) - {FUNCTION} for number, each in of_phase.items()}
    inside = {number: each for number, each in inside.items() if number <= target}
    wholly = [number for number, each in inside.items() if each == {REPLAY}]
    in_part = [number for number, each in inside.items() if REPLAY in each and len(each) > 1]
    told = [_numbers(wholly)] if wholly else []
    told += [f"part of {_numbers(in_part)}"] if in_part else []
    return " and ".join(told)


def _numbers(phases: Sequence[int]) -> str:
    """`phase 0`, `phases 0 to 2`, `phases 0, 2`."""
    first, last = min(phases), max(phases)
    if first == last:
        return f"phase {first}"
    if len(phases) == last - first + 1:
        return f"phases {first} to {last}"
    return f"phases {', '.join(map(str, sorted(phases)))}"


def label(tx: Transaction, execution: Row[Any], default: str = REPLAY) -> str:
    """All connectors of an execution: `replay`, or `claude, replay`."""
    of_phase = of_phases(tx, execution, default)
    names = {
        name
        for number, each in of_phase.items()
        if number <= execution.target_phase
        for name in each
    }
    return ", ".join(sorted(names)) or str(execution.connector or default)
