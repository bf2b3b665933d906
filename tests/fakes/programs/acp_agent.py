"""A small ACP agent, made with the protocol's own package: asks its model, edits by its client.

acp_agent.py [BEHAVIOUR]        see BEHAVIOURS; without one it does what its model says
"""

import asyncio
import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import acp
from acp.schema import (
    AgentMessageChunk,
    Cost,
    PermissionOption,
    TextContentBlock,
    ToolCallStart,
    ToolCallUpdate,
    Usage,
    UsageUpdate,
)

TOOLS = [
    {"name": name, "description": name, "input_schema": {"type": "object", "properties": {}}}
    for name in ("write_file", "read_file")
]
# What it does instead of asking a model.
BEHAVIOURS = (
    *("gives_up", "breaks", "hangs", "exits", "garbage", "refuses", "needs_login"),
    "asks_terminal",
    *("reads_outside", "writes_outside", "tells_cost", "tells_tokens", "says_nothing", "floods"),
    *("stops_reading", "floods_in_a_line", "floods_with_errors"),
)


def ask_model(messages: list[dict[str, Any]]) -> dict[str, Any]:
    body = {"model": "claude-sonnet-5-5", "max_tokens": 4000, "tools": TOOLS, "messages": messages}
    request = urllib.request.Request(
        f"{os.environ['ANTHROPIC_BASE_URL']}/v1/messages",
        json.dumps(body).encode(),
        {"content-type": "application/json", "x-api-key": os.environ["ANTHROPIC_API_KEY"]},
    )
    request.add_header("anthropic-version", "2023-06-01")
    with urllib.request.urlopen(request) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


class Agent(acp.Agent):
    def __init__(self, behaviour: str) -> None:
        self._behaviour = behaviour
        self._cancelled = asyncio.Event()

    def on_connect(self, conn: acp.Client) -> None:
        self._client = conn

    async def initialize(self, protocol_version: int, **_: Any) -> acp.InitializeResponse:
        return acp.InitializeResponse(protocol_version=protocol_version)

    async def new_session(self, cwd: str, **_: Any) -> acp.NewSessionResponse:
        if self._behaviour == "needs_login":
            raise acp.RequestError.auth_required()
        self._root = Path(cwd)
        return acp.NewSessionResponse(session_id="the-session")

    async def cancel(self, session_id: str, **_: Any) -> None:
        self._cancelled.set()

    async def prompt(self, session_id: str, prompt: Any, **_: Any) -> acp.PromptResponse:
        self._session = session_id
        if self._behaviour not in ("", "gives_up"):
            return await self._behave()
        messages: list[dict[str, Any]] = [{"role": "user", "content": prompt[0].text}]
        while True:
            answer = await asyncio.to_thread(ask_model, messages)
            for block in answer["content"]:
                if block["type"] == "text":
                    await self._say(block["text"])
            calls = [block for block in answer["content"] if block["type"] == "tool_use"]
            if not calls and self._behaviour == "gives_up":
                raise acp.RequestError(-32603, "there is no way")
            if not calls:
                return acp.PromptResponse(stop_reason="end_turn")
            results = [await self._call(call) for call in calls]
            messages.append({"role": "assistant", "content": answer["content"]})
            messages.append({"role": "user", "content": results})

    async def _call(self, call: dict[str, Any]) -> dict[str, Any]:
        if call["name"] == "finish":
            await self._say(call["input"]["summary"])
            text = "finished"
        elif await self._may(call["name"], call["id"]):
            given = call["input"]
            await self._write(given["path"], given["content"])
            text = await self._read(given["path"])
        else:
            text = "denied"
        return {"type": "tool_result", "tool_use_id": call["id"], "content": text}

    async def _may(self, name: str, id: str) -> bool:
        start = ToolCallStart(session_update="tool_call", tool_call_id=id, title=name)
        await self._client.session_update(self._session, start)
        kinds = ("allow_once", "allow_always", "reject_once")
        options = [PermissionOption(option_id=f"o-{kind}", name=kind, kind=kind) for kind in kinds]
        call = ToolCallUpdate(tool_call_id=id, title=name)
        answer = await self._client.request_permission(
            session_id=self._session, tool_call=call, options=options
        )
        return getattr(answer.outcome, "option_id", "") == "o-allow_once"

    async def _write(self, path: str, content: str) -> None:
        await self._client.write_text_file(
            session_id=self._session, path=str(self._root / path), content=content
        )

    async def _read(self, path: str) -> str:
        answer = await self._client.read_text_file(
            session_id=self._session, path=str(self._root / path)
        )
        return answer.content

    async def _say(self, text: str) -> None:
        block = TextContentBlock(type="text", text=text)
        chunk = AgentMessageChunk(session_update="agent_message_chunk", content=block)
        await self._client.session_update(self._session, chunk)

    async def _behave(self) -> acp.PromptResponse:
        stop, usage = "end_turn", None
        match self._behaviour:
            case "hangs":
                await self._say("I think")
                await self._cancelled.wait()
                await self._say(" no more.")
                stop, usage = "cancelled", Usage(total_tokens=7, input_tokens=5, output_tokens=2)
            case "stops_reading":
                params = {"sessionId": self._session, "path": str(self._root / "big.txt")}
                asked = {"jsonrpc": "2.0", "id": "r1", "params": params}
                print(json.dumps({**asked, "method": "fs/read_text_file"}), flush=True)
                time.sleep(3600)
            case "floods_in_a_line" | "floods_with_errors":
                out = sys.stdout if self._behaviour == "floods_in_a_line" else sys.stderr
                os.set_blocking(out.fileno(), True)
                while True:
                    os.write(out.fileno(), b"x" * 65536)
            case "breaks":
                # What its package makes of it is an internal error; why is in its details.
                raise RuntimeError("no disk")
            case "exits":
                print("out of luck", file=sys.stderr, flush=True)
                os._exit(7)
            case "floods":
                while True:
                    await self._say("words\n")
            case "refuses":
                stop = "refusal"
            case "asks_terminal":
                await self._tried(self._client.create_terminal(self._session, "true"))
            case "reads_outside":
                await self._tried(self._read("/etc/passwd"), self._read("../secret"))
            case "writes_outside":
                await self._tried(self._write("../new", "x"), self._write(".git/config", "x"))
            case "tells_cost":
                await self._say("done")
                cost = Cost(amount=0.25, currency="USD")
                told = UsageUpdate(session_update="usage_update", used=9, size=99, cost=cost)
                await self._client.session_update(self._session, told)
            case "tells_tokens":
                await self._say("done")
                usage = Usage(total_tokens=1150, input_tokens=1000, output_tokens=100)
                usage.thought_tokens = 50
        return acp.PromptResponse(stop_reason=stop, usage=usage)

    async def _tried(self, *attempts: Any) -> None:
        """Say how each of them was refused."""
        for attempt in attempts:
            try:
                await attempt
                await self._say("it was possible\n")
            except acp.RequestError as refused:
                await self._say(f"{refused}\n")


def main(behaviour: str) -> None:
    if behaviour == "garbage":
        print("Welcome to the agent!\n" * 3, flush=True)
        sys.stdin.readline()
    else:
        asyncio.run(acp.run_agent(Agent(behaviour)))


main(*sys.argv[1:] or [""])
