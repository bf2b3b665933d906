"""What an execution may cost, said before its first task: prices, and what the budgets leave."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from sqlalchemy import Row

from conductor_app import connector_settings, prices, program_settings, programs
from conductor_app.domain.workflow import AgentSpec
from conductor_app.programs import Program
from conductor_app.settings import Settings
from conductor_app.store import workflows
from conductor_app.store.database import Transaction
from conductor_app.views import budgets, connectors


def outlook(tx: Transaction, execution: Row[Any], settings: Settings) -> list[str]:
    """A sentence for each model or program, and one of the budgets; nothing where nothing costs.

    Raises InvalidSettings.
    """
    workflow = workflows.of_version(tx, execution.workflow_version)
    used = {
        _told(agent, connector, settings, tx.now): None
        for phase in workflow.phases
        if phase.number <= execution.target_phase
        for agent, connector in connectors.at_work(
            workflow, execution, phase, settings.default_connector
        )
    }
    said = [each for each in used if each]
    return [*said, _at_most(tx, execution, settings)] if said else []


def _told(agent: AgentSpec, connector: str, settings: Settings, now: int) -> str:
    """Empty for what costs nothing."""
    # A model goes with the connector that it was written down with.
    model = agent.model if agent.connector in (None, connector) else None
    if connector in connector_settings.DEFAULTS:
        chosen = connector_settings.load(settings).of(connector, agent.name, model)
        priced = _priced(settings, chosen.provider, chosen.model, now)
        return f"{connector} is {chosen.model}: {priced}"
    if connector in programs.BY_CONNECTOR:
        program = program_settings.load(settings).of(connector, agent.name, model)
        cap = (
            _soft_cap(program, settings, now)
            if program.soft_cap
            else _at_gateway(program, agent, settings, now)
        )
        return f"{connector} is {program.name}: {cap}"
    return ""


def _soft_cap(program: Program, settings: Settings, now: int) -> str:
    said = "soft cap, it spends without asking and is counted afterwards."
    model = program.model
    if model is None:
        return f"{said} Its model and price are its own choice, not known here"
    price = _price(settings, program.provider, model, now)
    known = f": {price}" if price else ", at a price that is not known here"
    return f"{said} It works with {model}{known}"


def _at_gateway(program: Program, agent: AgentSpec, settings: Settings, now: int) -> str:
    model = agent.model if agent.connector in (None, program.upstream) else None
    upstream = connector_settings.load(settings).of(program.upstream, agent.name, model)
    chosen = program.model or upstream.model
    priced = _priced(settings, upstream.provider, chosen, now)
    return (
        "each call of its model is reserved and counted at the gateway. "
        f"It works with {chosen}: {priced}"
    )


def _priced(settings: Settings, provider: str, model: str, now: int) -> str:
    return _price(settings, provider, model, now) or (
        "nobody knows its price, so the run pauses before its first call. Is the name right? "
        "Else give its price in conductor.yml (`prices`)"
    )


def _price(settings: Settings, provider: str, model: str, now: int) -> str:
    """Empty when nobody knows it."""
    found = prices.load(settings.home).per_million(provider, model, now)
    if found is None:
        return ""
    each_in, each_out = (f"{each.normalize():f}" for each in found)
    return f"{each_in} USD per million tokens in, {each_out} USD out"


def _at_most(tx: Transaction, execution: Row[Any], settings: Settings) -> str:
    left = [
        each for each in budgets.around(tx, settings.daily, execution) if each["scope"] != "task"
    ]
    money = _least(Decimal(each["usd"]["remaining"]) for each in left if each["usd"]["remaining"])
    tokens = _least(
        Decimal(each["tokens"]["remaining"])
        for each in left
        if each["tokens"]["remaining"] is not None
    )
    caps = [f"{money:,.2f} USD" if money >= 1 else f"{money} USD"] if money is not None else []
    caps += [f"{tokens:,} tokens"] if tokens is not None else []
    return f"At most {' and '.join(caps)}: so much the budgets leave" if caps else "Without a cap"


def _least(amounts: Iterator[Decimal]) -> Decimal | None:
    return min(amounts, default=None)
