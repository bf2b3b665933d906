"""Commands of a project's MCP servers: `project mcp add`, `list`, `remove`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import click

from conductor_app.cli.invocation import Invocation, command
from conductor_app.cli.project import directory_around, place_of
from conductor_app.cli.reading import reading
from conductor_app.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from sqlalchemy import Row

COLUMNS = ("Name", "Command", "Variables", "Network", "Readable", "Timeout")


@click.group("project", epilog="\b\nExample:\n  conductor project mcp list")
def command_project() -> None:
    """Settings of a project."""


@command_project.group("mcp", epilog="\b\nExample:\n  conductor project mcp list")
def command_mcp() -> None:
    """The project's MCP servers: programs whose tools agents may use.

    An agent has those that its workflow names: `mcp: [docs]`.
    """


@command(
    "add",
    example="conductor project mcp add docs -- python tools/docs_server.py --quiet",
    short_help="Let agents use the tools of a server.",
)
@click.argument("name")
@click.argument("words", metavar="-- COMMAND...", nargs=-1, required=True)
@click.option("--env", metavar="NAME=VALUE", multiple=True, help="A variable of it; repeatable.")
@click.option("--network", metavar="HOST[:PORT]", multiple=True, help="What it may reach.")
@click.option("--readable", metavar="DIR", multiple=True, help="What else it may read.")
@click.option("--timeout", metavar="SECONDS", type=float, help="For its start and each call.")
def command_add(
    invocation: Invocation,
    name: str,
    words: tuple[str, ...],
    env: tuple[str, ...],
    network: tuple[str, ...],
    readable: tuple[str, ...],
    timeout: float | None,
) -> None:
    """Let agents use the tools of a server, called NAME, that COMMAND starts in their worktree.

    It runs in the sandbox: it reads the worktree, reaches no host and gets no variables but those
    that are given here. Takes the repository on where Conductor does not know it yet.
    """
    from conductor_app.cli.client import running_api

    body: dict[str, Any] = {
        "name": name,
        "run": list(words),
        "env": dict(map(_variable, env)),
        "network": list(network),
        # Attempts begin elsewhere.
        "readable": [str(Path(each).resolve()) for each in readable],
        "timeout": timeout,
    }
    api = running_api(invocation.settings)
    place = _place(invocation)
    project = _known(invocation, place)
    id_ = project.id if project else api.post("projects", {"location": place}).data["id"]
    told = api.post(f"projects/{id_}/mcp", body)
    sentence = f"{told.message}. An agent uses it where its workflow says `mcp: [{name}]`."
    invocation.output.say(sentence)
    invocation.output.result(_shown(name, told.data["settings"]["mcp"][name]), sentence)


@command("list", example="conductor project mcp list", short_help="List the servers.")
def command_list(invocation: Invocation) -> None:
    """List the project's servers; works with no server of Conductor's running."""
    place = _place(invocation)
    project = _known(invocation, place)
    settings = (project.settings if project else None) or {}
    servers = [_shown(name, each) for name, each in sorted((settings.get("mcp") or {}).items())]
    output = invocation.output
    if servers:
        output.table(COLUMNS, [_row(each) for each in servers])
    sentence = "" if servers else f"{place} has no MCP server. See conductor project mcp add --help"
    if sentence:
        output.say(sentence)
    output.result({"items": servers, "next_cursor": None}, sentence or "MCP servers")


@command("remove", example="conductor project mcp remove docs", short_help="Remove a server.")
@click.argument("name")
def command_remove(invocation: Invocation, name: str) -> None:
    """Take the server NAME from the project; attempts that run keep theirs."""
    from conductor_app.cli.client import running_api

    api = running_api(invocation.settings)
    place = _place(invocation)
    project = _known(invocation, place)
    if project is None:
        raise NotFound(f"Conductor has never worked on {place}, so it has no MCP server.")
    told = api.delete(f"projects/{project.id}/mcp/{quote(name, safe='')}")
    invocation.output.say(f"{told.message}.")
    # Not the project: variables of its other servers may be secret.
    invocation.output.result({"name": name}, told.message)


for _each in (command_add, command_list, command_remove):
    command_mcp.add_command(_each)


def _place(invocation: Invocation) -> str:
    """The repository that is meant, path or URL; raises InvalidInput where there is none."""
    named = place_of(invocation.project) if invocation.project is not None else None
    if isinstance(named, str):
        return named
    around = directory_around(named or Path.cwd())
    if around is not None:
        return str(around)
    if named is None:
        raise InvalidInput("Which project? Go to its directory, or give --project.")
    # The API says why that is no project.
    return str(named)


def _known(invocation: Invocation, place: str) -> "Row[Any] | None":
    """The project there, if it is one already."""
    from conductor_app.store import projects

    with reading(invocation.settings) as tx:
        return projects.at(tx, place)


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise InvalidInput(f"`--env {text}` is not valid. Write --env NAME=VALUE.")
    return name, value


def _shown(name: str, server: dict[str, Any]) -> dict[str, Any]:
    """The server without what its variables hold: that may be secret."""
    return {"name": name, **server, "env": sorted(server.get("env") or {})}


def _row(server: dict[str, Any]) -> tuple[object, ...]:
    run, timeout = server["run"], server.get("timeout")
    return (
        server["name"],
        run if isinstance(run, str) else shlex.join(run),
        ", ".join(server["env"]),
        ", ".join(server.get("network") or ()),
        ", ".join(server.get("readable") or ()),
        f"{timeout or 60:g} s",
    )
