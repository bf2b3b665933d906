"""What an attempt's program is, and whom the gateway calls for it, from the settings."""

from dataclasses import replace

from conductor_app import program_settings
from conductor_app.errors import InvalidSettings
from conductor_app.programs import Program
from conductor_app.settings import Settings
from workers.connectors import clients
from workers.connectors.assignment import Assignment
from workers.connectors.programs.session import Means
from workers.failures import AttemptFailed, FailureKind


def means_for(connector: str, assignment: Assignment) -> Means:
    """Raises AttemptFailed: the settings are wrong, or the gateway has no key to call with."""
    program = _program(connector, assignment)
    if program.protocol is None:
        return Means(program, {})
    settings = assignment.model_settings(program.upstream)
    clients.require_permission(settings)
    clients.require_key(settings)
    # One whose price is known before the first call, not what the program happens to prefer.
    chosen = replace(program, model=program.model or settings.model)
    return Means(chosen, {program.protocol: settings})


def _program(connector: str, assignment: Assignment) -> Program:
    agent = assignment.agent
    name = agent.name if agent else None
    # A model goes with the connector that it was written down with.
    model = agent.model if agent and agent.connector in (None, connector) else None
    try:
        chosen = program_settings.load(assignment.settings or Settings.load())
        return chosen.of(connector, name, model)
    except InvalidSettings as problem:
        raise AttemptFailed(FailureKind.AGENT_ERROR, problem.message, retryable=False) from problem
