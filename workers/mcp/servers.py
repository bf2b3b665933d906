"""The MCP servers of one attempt: started before its first turn, ended with it."""

import json
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conductor_app import masking
from conductor_app.domain.mcp import McpServer, Offer, Offers
from conductor_app.errors import ConductorError
from conductor_app.printable import sound
from conductor_app.tool_specs import ToolSpec
from workers.command_line import argv
from workers.connectors.programs.rpc import Json
from workers.mcp.client import McpClient
from workers.sandbox import Limits, SandboxFailed
from workers.sandbox.conversation import Conversation
from workers.tools.workplace import Answer, ToolFault, Workplace

PREFIX = "mcp__"
# What every provider takes as the name of a tool.
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
MOST_TOOLS = 100
LONGEST_DESCRIPTION = 2_000
LONGEST_SCHEMA = 20_000
# In characters: a remark is a part of the prompt, and a server's error may be a whole page.
LONGEST_FAULT = 1_000


@dataclass(frozen=True)
class _Tool:
    spec: ToolSpec
    client: McpClient
    # As its server calls it.
    name: str


class McpTools:
    """The tools of the servers that run; `remarks` say what is missing."""

    def __init__(self, tools: Sequence[_Tool] = (), remarks: Sequence[str] = ()) -> None:
        self._tools = {tool.spec.name: tool for tool in tools}
        self.remarks = tuple(remarks)

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        return tuple(tool.spec for tool in self._tools.values())

    def __contains__(self, name: str) -> bool:
        return name in self._tools

    def call(self, name: str, arguments: Any) -> Answer:
        """Raises ToolFault."""
        if not isinstance(arguments, dict):
            raise ToolFault("Not done: the arguments must be an object.")
        tool = self._tools[name]
        return tool.client.call(tool.name, arguments)


NONE = McpTools()


@contextmanager
def running(offers: Offers, place: Workplace) -> Iterator[McpTools]:
    """The tools of these servers, which run inside the block."""
    remarks = [
        f"There is no MCP server {name!r} in this project's settings, so its tools are missing."
        for name in offers.unknown
    ]
    tools: list[_Tool] = []
    with ExitStack() as stack:
        root = place.worktree or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for offer in offers.servers:
            try:
                client = _started(offer, place, root, stack)
                found, missing = _offered(client, offer)
            except (ToolFault, ConductorError) as fault:
                remarks.append(
                    f"The tools of the MCP server {offer.name!r} are missing: {_cut(fault)}"
                )
                continue
            tools += found
            remarks += missing
        yield McpTools(tools, remarks)


def _started(offer: Offer, place: Workplace, root: Path, stack: ExitStack) -> McpClient:
    conversation = stack.enter_context(_conversation(offer.server, place, root))
    client = McpClient(offer.name, offer.server, conversation, place.deadline, place.cancelled)
    client.initialize()
    return client


@contextmanager
def _conversation(server: McpServer, place: Workplace, root: Path) -> Iterator[Conversation]:
    prepared = place.environment
    variables = prepared.variables(place.sandbox.path) if prepared else {}
    stack = ExitStack()
    conversation = stack.enter_context(
        place.sandbox.converse(
            argv(server.run),
            cwd=root,
            limits=Limits(seconds=max(1.0, place.seconds_left())),
            env={**variables, **server.env},
            readable=[*([prepared.path] if prepared else []), *map(Path, server.readable)],
            hosts=server.network,
        )
    )
    try:
        yield conversation
    finally:
        # However a server ends, that is not how the attempt ends.
        with suppress(SandboxFailed):
            stack.close()


def _offered(client: McpClient, offer: Offer) -> tuple[list[_Tool], list[str]]:
    """The tools that the agent may use, in the server's order, and what is missing of them."""
    tools: dict[str, _Tool] = {}
    for described in client.tools():
        name = described.get("name")
        if not isinstance(name, str) or (offer.tools is not None and name not in offer.tools):
            continue
        spec = _spec(offer.name, name, described)
        if spec is not None and len(tools) < MOST_TOOLS:
            tools.setdefault(name, _Tool(spec, client, name))
    missing = [
        f"The MCP server {offer.name!r} offers no usable tool {name!r}."
        for name in sorted((offer.tools or frozenset()) - set(tools))
    ]
    return list(tools.values()), missing


def _spec(server: str, name: str, described: Json) -> ToolSpec | None:
    """None where it can't be told to a model."""
    full = f"{PREFIX}{server}__{name}"
    try:
        described = masking.within(described, _tellable)
        said = described.get("inputSchema")
        schema: Json = {**said} if isinstance(said, dict) else {}
        schema.pop("$schema", None)
        schema = {**schema, "type": "object", "properties": schema.get("properties") or {}}
        # No model's API takes what is no JSON, or properties that are none.
        length = len(json.dumps(schema, ensure_ascii=False, allow_nan=False))
    except (RecursionError, ValueError):
        return None
    tellable = isinstance(schema["properties"], dict) and length <= LONGEST_SCHEMA
    if not tellable or not NAME.fullmatch(full):
        return None
    description = str(described.get("description") or described.get("title") or name)
    return ToolSpec(full, description[:LONGEST_DESCRIPTION], schema)


def _cut(fault: Exception) -> str:
    """Masked before: half a secret would not be known."""
    said = masking.words(str(fault))
    return said if len(said) <= LONGEST_FAULT else f"{said[:LONGEST_FAULT]}…"


def _tellable(text: str) -> str:
    return masking.data(sound(text))
