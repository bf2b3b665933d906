"""MCP servers that a project's settings list, and which of their tools an agent may use."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from conductor_app.domain import network_hosts
from conductor_app.domain.workflow_checks import Command, Environment, Model, Slug, Text
from conductor_app.errors import InvalidInput

# The key of a project's settings.
SECTION = "mcp"
EXAMPLE = '{"mcp": {"docs": {"run": ["python", "tools/docs_server.py"]}}}'


class McpServer(Model):
    """A program that offers tools on its standard streams; it runs in the sandbox."""

    run: Command
    env: Environment = Field(default_factory=dict)
    # Hosts (`name` or `name:port`) that it may reach, and directories that it may read besides.
    network: tuple[Text, ...] = ()
    readable: tuple[Text, ...] = ()
    # Seconds until it has to be ready, and until a call of it has to be answered.
    timeout: Annotated[float, Field(gt=0, le=600)] = 60


_SERVERS = TypeAdapter(dict[Slug, McpServer])


@dataclass(frozen=True)
class Offer:
    """A server, and those of its tools that an agent may use; None are all."""

    name: str
    server: McpServer
    tools: frozenset[str] | None = None


@dataclass(frozen=True)
class Offers:
    """What an agent is offered, and those names of its list that the project does not know."""

    servers: tuple[Offer, ...] = ()
    unknown: tuple[str, ...] = ()


def servers_of(settings: Mapping[str, Any]) -> dict[str, McpServer]:
    """The servers of a project's settings, by name; raises InvalidInput."""
    try:
        return _SERVERS.validate_python(settings.get(SECTION) or {})
    except ValidationError as error:
        mistake = error.errors()[0]
        if mistake["loc"][1:] == ("[key]",):
            raise InvalidInput(_bad_name(str(mistake["loc"][0]))) from None
        where = ".".join([SECTION, *(str(each) for each in mistake["loc"])])
        raise InvalidInput(
            f"The project's setting `{where}` is not valid: {mistake['msg'].lower()}. "
            f"Write for example {EXAMPLE}."
        ) from None


def require_hosts(name: str, server: McpServer) -> None:
    """Of a new server no host may be one that the sandbox refuses. Raises InvalidInput."""
    for host in server.network:
        try:
            network_hosts.elsewhere(host)
        except ValueError as problem:
            where = f"{SECTION}.{name}.network"
            raise InvalidInput(f"The project's setting `{where}` has {host}: {problem}.") from None


def _bad_name(name: str) -> str:
    return (
        f"`{name}` can't be the name of an MCP server: models see it in the names of its tools. "
        "Take small letters, digits and single hyphens between them, such as `docs`."
    )


def offers(settings: Mapping[str, Any], allowed: Iterable[str]) -> Offers:
    """What an agent is offered whose list is `allowed`: `server`, or `server/tool`.

    Raises InvalidInput.
    """
    known = servers_of(settings)
    tools: dict[str, frozenset[str] | None] = {}
    for each in allowed:
        name, _, tool = each.partition("/")
        before = tools.get(name, frozenset())
        tools[name] = None if not tool or before is None else before | {tool}
    return Offers(
        tuple(Offer(name, known[name], tools[name]) for name in sorted(tools) if name in known),
        tuple(sorted(name for name in tools if name not in known)),
    )
