"""What an attempt by a program needs around it: files, environment, and the way to its model."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from conductor_app.connector_settings import ModelSettings
from conductor_app.programs import Program
from workers import artifacts
from workers.agents import network
from workers.agents.base import AgentContext
from workers.connectors.programs import start
from workers.connectors.programs.report import Report, believed
from workers.failures import AttemptFailed
from workers.gateway import Gateway, GatewayAccount, gateway
from workers.gateway.meter import CallMeter, Unmetered
from workers.sandbox import Level, Limits
from workers.sandbox.orders import Access
from workers.suspension import waiting_for
from workers.turns import Usage

PROMPT_FILE = "prompt.md"
# A coding agent is bigger than the commands that it runs, and runs those too.
MEMORY_MB = 8_192
PROCESSES = 512
FILE_MB = 4_096


@dataclass(frozen=True)
class Means:
    """What a connector runs programs with."""

    program: Program
    # By protocol: the connector that the gateway calls as.
    upstreams: Mapping[str, ModelSettings]
    open_gateway: Callable[[], Gateway] = gateway


@dataclass
class Session:
    """One attempt, ready to be started; `account` is None where the cap is soft."""

    argv: list[str]
    cwd: Path
    limits: Limits
    access: Access
    account: GatewayAccount | None


@contextmanager
def session(means: Means, prompt: str, context: AgentContext, seconds: float) -> Iterator[Session]:
    """Raises AttemptFailed when the program is not there or lacks something.

    When the block is left all that went through the gateway is accounted for.
    """
    program = means.program
    installed = start.find(program)
    network.require(program.hosts, f"`hosts` of {program.name} in the connector's settings")
    with ExitStack() as stack:
        cwd = context.worktree or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        file = (context.artifacts / PROMPT_FILE).absolute()
        artifacts.write(file, prompt)
        account, entrance = None, None
        if not program.soft_cap:
            account, entrance = _account(means, context), means.open_gateway()
            stack.enter_context(entrance.admitting(account))
        values = {
            **_chosen(program, context),
            "prompt": start.prompt_word(prompt, file),
            "prompt_file": str(file),
            "worktree": str(cwd),
            "gateway": entrance.url if entrance else None,
            "token": account.token if account else None,
        }
        argv = start.command_line(program, values)
        access: Access = {
            "env": {
                **start.variables(program, values),
                "PATH": _path(context, installed),
            },
            "readable": [*installed.readable, *program.readable, file, *_environment(context)],
            "hosts": (*program.hosts, *context.hosts),
        }
        if entrance is not None:
            access["gateway"] = entrance.door
        limits = Limits(seconds, PROCESSES, MEMORY_MB, FILE_MB)
        yield Session([str(installed.file), *argv[1:]], cwd, limits, access, account)


@contextmanager
def soft_capped(means: Means, report: Report, context: AgentContext) -> Iterator[None]:
    """A run of a program that spends without asking: what it says that it used is booked.

    A program that names no cost is priced by its tokens; one that names nothing is unknown.
    Raises AttemptFailed or Suspend where nothing may be spent any more.
    """
    program = means.program
    meter: CallMeter = context.meter or Unmetered()
    try:
        run = meter.admit(program.name, program.provider, program.model or "")
    except AttemptFailed as refused:
        raise waiting_for(refused) or refused from refused
    try:
        yield
    finally:
        _account_for(run, means, report, context)


def _account_for(run: str, means: Means, report: Report, context: AgentContext) -> None:
    program = means.program
    usage = believed(report.usage)
    if report.cost_nano_usd is not None:
        usage = (usage or Usage()) + Usage(cost_nano_usd=report.cost_nano_usd)
    model = report.model or program.model or ""
    context.turns += report.turns
    meter: CallMeter = context.meter or Unmetered()
    context.usage += meter.record(run, program.name, program.provider, model, usage)
    if usage is None:
        context.log(f"{program.name} says nothing of what it used: its cost is unknown")


def _account(means: Means, context: AgentContext) -> GatewayAccount:
    def spent(usage: Usage) -> None:
        context.usage += usage
        context.turns += 1

    meter: CallMeter = context.meter or Unmetered()
    return GatewayAccount(means.upstreams, meter, context.artifacts, spent)


def _chosen(program: Program, context: AgentContext) -> dict[str, str | None]:
    """What was chosen, by placeholder; None where nothing was."""
    mode = program.permission_mode
    if context.sandbox.level == Level.UNCONFINED and program.unconfined_mode:
        mode = program.unconfined_mode
    return {
        "model": program.model,
        "max_turns": None if program.max_turns is None else str(program.max_turns),
        "max_usd": None if program.max_usd is None else str(program.max_usd),
        "permission_mode": mode,
    }


def _path(context: AgentContext, installed: start.Installed) -> str:
    path = f"{installed.path}:{context.sandbox.path}"
    return context.environment.variables(path)["PATH"] if context.environment else path


def _environment(context: AgentContext) -> list[Path]:
    return [context.environment.path] if context.environment else []
