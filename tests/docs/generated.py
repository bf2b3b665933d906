"""The parts of the pages that are made from the code, so that they can't say anything else."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from pydantic import AliasChoices

from conductor_app import (
    bootstrap,
    connector_keys,
    connector_settings,
    create_app,
    program_rules,
    program_settings,
    programs,
)
from conductor_app.catalog import AGENTS
from conductor_app.cli import main as cli
from conductor_app.domain.states import TABLES
from conductor_app.domain.workflow import FAILURE_KINDS, RETRYABLE
from conductor_app.metrics_specs import METRICS
from conductor_app.queue import MemoryQueue
from conductor_app.settings import Settings
from conductor_app.stack import datadir
from conductor_app.tool_specs import TOOLS
from tests.docs.pages import table

HELP_WIDTH = 88
METHODS = ("get", "post", "put", "patch", "delete")


def diagram(kind: str) -> str:
    """The transition table of a kind of row as a Mermaid diagram."""
    moves = TABLES[kind]
    first = next(iter(moves))
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {first}"]
    order = list(moves)
    for state, after in moves.items():
        lines += [f"    {state} --> {other}" for other in sorted(after, key=order.index)]
    lines += [f"    {state} --> [*]" for state, after in moves.items() if not after]
    return "\n".join([*lines, "```"])


def settings() -> str:
    """Every setting with its variables, default and meaning."""
    rows = []
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        names = alias.choices if isinstance(alias, AliasChoices) else [f"CONDUCTOR_{name.upper()}"]
        variables = " or ".join(f"`{each}`" for each in names)
        rows.append([variables, _default(name, field.default), str(field.description)])
    return table(["Variable", "Default", "Meaning"], rows)


def _default(name: str, value: Any) -> str:
    if name == "home":
        return "the user's data directory"
    if value in (None, ""):
        return ""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"`{text.lower() if isinstance(value, bool) else text}`"


def commands() -> str:
    """The help of every command, under the headings of `conductor --help`."""
    top = click.Context(
        cli.conductor,
        info_name="conductor",
        terminal_width=HELP_WIDTH,
        **cli.conductor.context_settings,
    )
    parts = []
    for title, section in cli.COMMANDS.items():
        parts.append(f"## {title}")
        for name in section:
            command = cli.conductor.get_command(top, name)
            assert command is not None
            parts += _helps(command, name, top)
    return "\n\n".join(parts)


def _helps(command: click.Command, name: str, parent: click.Context) -> list[str]:
    context = click.Context(command, info_name=name, parent=parent, terminal_width=HELP_WIDTH)
    text = "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    parts = [f"### `{context.command_path}`\n\n```text\n{text}\n```"]
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            sub = command.get_command(context, each)
            assert sub is not None
            parts += _helps(sub, each, context)
    return parts


def command_table() -> str:
    """Every command in a line."""
    rows = [
        [f"`conductor {name}`", entry.help]
        for section in cli.COMMANDS.values()
        for name, entry in section.items()
    ]
    return table(["Command", "What it does"], rows)


def openapi() -> dict[str, Any]:
    """The API's own description of itself."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        datadir.prepare(home)
        with bootstrap.connected(Settings.load(home), MemoryQueue()) as conductor:
            answer = create_app(conductor).test_client().get("/openapi.json")
            document: dict[str, Any] = answer.get_json()
            return document


def endpoints() -> str:
    """Every operation of the API, by the resource that it belongs to."""
    document = openapi()
    said = {tag["name"]: tag.get("description", "") for tag in document["tags"]}
    by_tag: dict[str, list[list[str]]] = {name: [] for name in said}
    for path, item in document["paths"].items():
        for method in METHODS:
            if operation := item.get(method):
                call = f"`{method.upper()} {path}`"
                words = operation.get("description") or operation.get("summary", "")
                by_tag[operation["tags"][0]].append([call, words.strip()])
    parts = []
    for name, rows in by_tag.items():
        parts.append(f"### {name}\n\n{said[name].rstrip('.')}.\n\n{table(['Call', ''], rows)}")
    return "\n\n".join(parts)


def agents() -> str:
    """The built-in agents."""
    rows = [
        [
            f"`{spec.name}`",
            ", ".join(spec.depends_on) or "none",
            str(spec.priority),
            f"{spec.base_seconds:g}",
            ", ".join(f"{phase}: {by:g}" for phase, by in spec.multipliers.items()) or "none",
            f"`{spec.connector}`" if spec.connector else "none",
        ]
        for spec in AGENTS.values()
    ]
    head = ["Agent", "Depends on", "Priority", "Base seconds", "Multiplier by phase", "Connector"]
    return table(head, rows)


def tools() -> str:
    """The tools that an agent may call."""
    rows = []
    for spec in TOOLS.values():
        required = spec.schema["required"]
        names = [
            f"`{name}{'' if name in required else '?'}`{_choice(field)}"
            for name, field in spec.schema["properties"].items()
        ]
        rows.append([f"`{spec.name}`", ", ".join(names), spec.description])
    return table(["Tool", "Arguments", "What it does"], rows)


def _choice(field: dict[str, Any]) -> str:
    """Of an argument that takes certain words only."""
    return f" ({', '.join(map(str, field['enum']))})" if "enum" in field else ""


def failure_kinds() -> str:
    """The kinds of failure, and whether a task is tried again unless it says otherwise."""
    rows = [[f"`{kind}`", "yes" if kind in RETRYABLE else "no"] for kind in FAILURE_KINDS]
    return table(["Kind", "Tried again"], rows)


def connectors() -> str:
    """The connectors of live models, as they are without settings."""
    rows = []
    for name, model in connector_settings.DEFAULTS.items():
        variable = f"`{connector_keys.VARIABLES[name]}`"
        if shared := connector_keys.SHARED.get(name):
            variable += f", else that of `{shared}`"
        rows.append([f"`{name}`", f"`{model.model}`", f"`{model.base_url}`", variable])
    return table(["Connector", "Model", "Address", "Key"], rows)


def connector_choices() -> str:
    """What may be set for the connector of a live model, and whether for one agent as well."""
    of_agents = connector_settings.Choices.model_fields
    rows = [
        [f"`{name}`", "yes" if name in of_agents else "no", str(field.description)]
        for name, field in connector_settings.ConnectorChoices.model_fields.items()
        if name != "agents"
    ]
    return table(["Setting", "Also of an agent", "Meaning"], rows)


def program_presets() -> str:
    """The programs that are known by name."""
    rows = []
    for connector, known in programs.BY_CONNECTOR.items():
        for program in known.values():
            variables = " or ".join(f"`{each}`" for each in program.pass_env)
            cap = f"soft cap; its own key: {variables}" if program.soft_cap else "gateway"
            rows.append([f"`{program.name}`", f"`{connector}`", cap, f"`{program.install}`"])
    return table(["Program", "Connector", "How it is paid for", "How to get it"], rows)


def program_choices() -> str:
    """What may be set for a program, also of an agent."""
    fields = program_settings.ProgramChoices.model_fields.items()
    rows = [[f"`{name}`", str(field.description)] for name, field in fields]
    return table(["Setting", "Meaning"], rows)


def placeholders() -> str:
    """What a program's command line and variables may name."""
    rows = [[f"`{{{name}}}`", meaning] for name, meaning in programs.PLACEHOLDERS.items()]
    return table(["Placeholder", "What it stands for"], rows)


def permission_modes() -> str:
    """What the programs that are known by name take for a `permission_mode`."""
    rows = []
    for connector, known in programs.BY_CONNECTOR.items():
        for program in known.values():
            modes = program_rules.modes(connector, program, {})
            unset = f"`{program.permission_mode}`" if program.permission_mode else ""
            if program.unconfined_mode:
                unset += f", unconfined `{program.unconfined_mode}`"
            takes = ", ".join(f"`{each}`" for each in modes)
            takes = takes or ("what it knows; not checked here" if unset else "none")
            rows.append([f"`{program.name}`", takes, unset])
    return table(["Program", "`permission_mode`", "Unset"], rows)


def metrics() -> str:
    """Every metric of telemetry."""
    rows = [
        [f"`{name}`", spec.kind, f"`{spec.unit}`", spec.description]
        for name, spec in METRICS.items()
    ]
    return table(["Metric", "Kind", "Unit", "What"], rows)


PARTS: Mapping[str, Callable[[], str]] = {
    **{f"{kind}-states": lambda kind=kind: diagram(kind) for kind in TABLES},
    "settings": settings,
    "commands": commands,
    "command-table": command_table,
    "endpoints": endpoints,
    "agents": agents,
    "tools": tools,
    "failure-kinds": failure_kinds,
    "metrics": metrics,
    "connectors": connectors,
    "connector-settings": connector_choices,
    "programs": program_presets,
    "program-settings": program_choices,
    "placeholders": placeholders,
    "permission-modes": permission_modes,
}
