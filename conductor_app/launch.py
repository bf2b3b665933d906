"""What a person asks to start becomes what the engine starts, with a sentence about the agents."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from conductor_app import catalog, connector_readiness, connector_settings, program_settings
from conductor_app.domain.spelling import closest
from conductor_app.domain.workflow import Workflow
from conductor_app.engine.start import Wanted
from conductor_app.errors import InvalidInput, InvalidSettings, NotFound
from conductor_app.recordings import last_recorded_phase, recorded_here
from conductor_app.settings import Settings
from conductor_app.store import workflows
from conductor_app.store.database import Transaction
from conductor_app.views.connectors import REPLAY, reviewing
from conductor_app.workflows import loader

DEFAULT_WORKFLOW = "project-conductor"


class NoSuchConnector(InvalidInput):
    """This version of Conductor has no such connector."""

    code = "no_such_connector"


class NotReady(InvalidInput):
    """A connector lacks something that it needs to work here."""

    code = "connector_not_ready"


@dataclass(frozen=True)
class Order:
    """What was asked for; None is for Conductor to choose."""

    workflow: str = DEFAULT_WORKFLOW
    # The text of a template, instead of a workflow's name.
    template: str | None = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    connector: str | None = None
    priority: str | int = "normal"
    auto_advance: bool | None = None
    target_phase: int | None = None
    replay_before: int = 0


@dataclass(frozen=True)
class Choice:
    """What was left open, chosen; `note` says where the run ends early and why, who can't review,
    and which settings are of nobody."""

    inputs: dict[str, Any]
    target_phase: int | None
    note: str | None


@dataclass(frozen=True)
class Launch:
    """What will be started, and the choice's note."""

    wanted: Wanted
    note: str | None


def prepare(tx: Transaction, order: Order, settings: Settings) -> Launch:
    """Choose what was left open. Raises InvalidWorkflow, InvalidInput, NotFound."""
    version, source, text, workflow = _workflow(tx, order)
    chosen = choose(workflow, order, settings)
    advance = settings.auto_advance if order.auto_advance is None else order.auto_advance
    wanted = Wanted(
        workflow=workflow,
        version=version,
        source=source,
        text=text,
        inputs=chosen.inputs,
        connector=order.connector,
        priority=order.priority,
        auto_advance=advance,
        target_phase=chosen.target_phase,
        replay_before=order.replay_before,
    )
    return Launch(wanted, chosen.note)


def choose(workflow: Workflow, order: Order, settings: Settings) -> Choice:
    """Inputs and last phase of an order for this workflow, checked. Raises InvalidInput."""
    inputs = workflow.parse_inputs(_written(order.inputs))
    workflow.require_fit(inputs)
    used = _connectors(workflow, order.connector, settings.default_connector)
    here = recorded_here(workflow.name, settings)
    recorded = last_recorded_phase(workflow, catalog.AGENTS, here)
    target, note = _target(workflow, used == {REPLAY}, order.target_phase, recorded)
    notes = [note, *_unreviewed(workflow, order.connector, settings)]
    notes += _unknown_agents(workflow, order.connector, settings)
    last = workflow.phases[-1].number if target is None else target
    if order.replay_before > last:
        raise InvalidInput(
            f"This run has the phases 0 to {last}; it can't begin with phase {order.replay_before}."
        )
    if order.replay_before > (-1 if recorded is None else recorded) + 1:
        has = f"up to phase {recorded}" if recorded is not None else "not at all"
        raise InvalidInput(
            f"Phases before {order.replay_before} can't be replayed: {workflow.name} is recorded "
            f"{has}. Begin with an earlier phase; `conductor run --record` records what it does."
        )
    return Choice(inputs, target, " ".join(filter(None, notes)) or None)


def require_ready(workflow: Workflow, order: Order, settings: Settings) -> None:
    """Raises NotReady where a task's connector lacks a key or a program here."""
    for agent, name in sorted(_at_work(workflow, order.connector, settings.default_connector)):
        readiness = connector_readiness.of(name, settings, agent)
        if not readiness.ready:
            raise NotReady(
                f"The connector {name} can't work here ({readiness.found}), so nothing is started. "
                f"{readiness.lacks} Or choose another with --connector; `conductor doctor` tells "
                "which are ready."
            )


def costs(connectors: str) -> bool:
    """Whether models are called, of the connectors as `views.connectors` has them."""
    return bool(set(connectors.split(", ")) - {REPLAY, catalog.FUNCTION})


def label_of(connectors: str) -> str:
    """Who does the work and what that costs, of the connectors as `views.connectors` has them."""
    names = set(connectors.split(", "))
    if costs(connectors):
        models = [each for each in connectors.split(", ") if each != catalog.FUNCTION]
        functions = "; agents that are Python functions" if catalog.FUNCTION in names else ""
        return f"{', '.join(models)}: live models, which cost money{functions}"
    recorded = "recorded turns; " if REPLAY in names else ""
    functions = "agents that are Python functions; " if catalog.FUNCTION in names else ""
    return f"{connectors}: {recorded}{functions}no model is called, nothing is spent"


def _workflow(tx: Transaction, order: Order) -> tuple[str, str, str, Workflow]:
    if order.template is not None:
        parsed = loader.parse(order.template, "template")
        return parsed.version, "template", parsed.text, parsed.workflow
    name = order.workflow
    if name in loader.builtin_names():
        loaded = loader.load(name)
        return loaded.version, name, loaded.text, loaded.workflow
    kept = workflows.newest(tx, name)
    if kept is None:
        known = sorted({*loader.builtin_names(), *workflows.names(tx)})
        near = closest(name, known)
        meant = f"Did you mean `{near}`?" if near else f"Known: {', '.join(known)}."
        raise NotFound(f"There is no workflow `{name}`. {meant}")
    return kept.version, kept.source, kept.text, workflows.of_version(tx, kept.version)


def _connectors(workflow: Workflow, chosen: str | None, default: str) -> set[str]:
    """Those that will work, by the workers' rule; agents that are functions have none.

    Raises NoSuchConnector.
    """
    used = {name for _, name in _at_work(workflow, chosen, default)}
    for name in sorted(used | ({chosen} if chosen else set())):
        if name not in catalog.CONNECTORS:
            raise NoSuchConnector(
                f"There is no connector `{name}` in this version of Conductor. It has: "
                f"{', '.join(catalog.CONNECTORS)}. Choose one of these, or none: the request, the "
                "template and CONDUCTOR_CONNECTOR may name it."
            )
    return used


def _at_work(workflow: Workflow, chosen: str | None, default: str) -> set[tuple[str, str]]:
    """The agents of the tasks that have a connector, each with its own."""
    agents = workflow.all_agents(catalog.AGENTS)
    acting = [agents[name] for name in {task.agent for p in workflow.phases for task in p.tasks}]
    return {
        (each.name, chosen or each.connector or default) for each in acting if each.function is None
    }


def _unreviewed(workflow: Workflow, chosen: str | None, settings: Settings) -> Iterator[str]:
    """A sentence for each reviewer that has no key here."""
    agents = workflow.all_agents(catalog.AGENTS)
    optional = {review.agent: review.optional for review in workflow.reviews()}
    for name, may_be_skipped in sorted(optional.items()):
        connector = reviewing(agents[name], chosen, settings.default_connector)
        readiness = connector_readiness.of(connector, settings, name)
        if not readiness.ready:
            follows = "nobody reviews the work" if may_be_skipped else "its review will fail"
            yield (
                f"{agents[name].title or name} can't work with {connector} ({readiness.found}), "
                f"so {follows}. {readiness.lacks}"
            )


def _unknown_agents(workflow: Workflow, chosen: str | None, settings: Settings) -> Iterator[str]:
    """A sentence for each agent that nobody knows and that settings of a connector of this run
    name. Those that come with Conductor are known: other workflows have them."""
    known = workflow.all_agents(catalog.AGENTS)
    default = settings.default_connector
    at_work = _at_work(workflow, chosen, default) | {
        (review.agent, reviewing(known[review.agent], chosen, default))
        for review in workflow.reviews()
    }
    names, used = {name for name, _ in at_work}, {connector for _, connector in at_work}
    for connector, agents in _with_settings(settings).items():
        for name in agents:
            if connector in used and name not in known:
                near = closest(name, names)
                meant = (
                    f"Did you mean `{near}`?" if near else f"It has: {', '.join(sorted(names))}."
                )
                yield (
                    f"connectors.{connector}.agents.{name}: the workflow {workflow.name} has no "
                    f"such agent, so nothing comes of it. {meant}"
                )


def _with_settings(settings: Settings) -> dict[str, tuple[str, ...]]:
    """The agents with settings of their own, by connector; none where settings are wrong."""
    try:
        models, started = connector_settings.load(settings), program_settings.load(settings)
    except InvalidSettings:
        # Whoever uses a connector is told what is wrong.
        return {}
    return {**models.agents, **started.agents}


def _target(
    workflow: Workflow, replayed: bool, asked: int | None, recorded: int | None
) -> tuple[int | None, str | None]:
    """The phase to end with, and what a person should know about it."""
    if not replayed:
        return asked, None
    last = workflow.phases[-1].number
    if recorded is None:
        raise InvalidInput(
            f"Workflow {workflow.name} has no recording of its first phase, so its agents can't "
            f"be replayed. {DEFAULT_WORKFLOW} is recorded; agents that are Python functions "
            "(`function:` in the template) need no recording."
        )
    if recorded == last or (asked is not None and asked <= recorded):
        return asked, None
    if asked is None:
        return recorded, (
            f"Phase {recorded} is the last one recorded, so the run ends there; "
            f"{_phases(recorded + 1, last)} a model."
        )
    return asked, f"Phase {recorded} is the last one recorded; the tasks after it will fail."


def _phases(first: int, last: int) -> str:
    return f"phase {last} needs" if first == last else f"phases {first} to {last} need"


def _written(inputs: Mapping[str, Any]) -> dict[str, str]:
    """JSON's values as a person would have typed them; null is not given."""
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in inputs.items()
        if value is not None
    }
