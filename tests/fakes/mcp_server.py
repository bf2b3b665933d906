"""A small MCP server on standard streams, as a program; its arguments say how it misbehaves.

python mcp_server.py [BEHAVIOUR]

dies|garbage|flood|mute|hangs|deaf|pages|odd|unsound|listless|endless|blank|stops_reading
refuses|refuses_calls
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

MISBEHAVES = sys.argv[1] if len(sys.argv) > 1 else ""
# What it answers with an error without end, by its behaviour.
REFUSED = {"refuses": "initialize", "refuses_calls": "tools/call"}
TOOLS = [
    {
        "name": "add",
        "description": "Add two numbers.",
        "inputSchema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"a": {"type": "number"}, "b": {"type": "number"}},
            "required": ["a", "b"],
        },
    },
    {
        "name": "note",
        "description": "Write a file into the working directory.",
        "inputSchema": {"type": "object", "properties": {"text": {"type": "string"}}},
    },
    {"name": "look", "inputSchema": {"type": "object"}},
    {"name": "big", "inputSchema": {}},
]


def send(message: Mapping[str, Any]) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": said}], **more}


def look() -> str:
    """What it can see of the machine around it."""
    seen = {}
    for path in ("/etc/shadow", os.environ.get("SECRET_FILE", "/nothing")):
        try:
            with open(path) as file:
                seen[path] = file.read(10)
        except OSError as error:
            seen[path] = type(error).__name__
    return json.dumps({"seen": seen, "variables": sorted(os.environ), "mode": os.getenv("MODE")})


def call(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    match MISBEHAVES:
        case "dies":
            said = os.environ.get("LAST_WORDS", "out of ideas")
            print(said, file=sys.stderr, flush=True)
            os._exit(3)
        case "hangs":
            time.sleep(3600)
        case "flood":
            while True:
                print("x" * 65536)
    match name:
        case "add":
            if "a" not in arguments:
                return text("a is missing", isError=True)
            return text(str(arguments["a"] + arguments["b"]))
        case "note":
            with open("note.txt", "w") as file:
                file.write(arguments["text"])
            return text("written")
        case "look":
            return text(look())
        case "big":
            return text("head" + "x" * 100_000 + "tail")
    return text(f"there is no {name}", isError=True)


def listed(cursor: str | None) -> dict[str, Any]:
    if MISBEHAVES == "odd":
        odd: list[Any] = [
            {"name": "with space"},
            {"name": "n" * 90},
            {"name": "five", "inputSchema": {"properties": 5}},
            {"name": "nan", "inputSchema": {"properties": {"a": {"maximum": float("nan")}}}},
            {"name": "add", "inputSchema": "none", "description": None},
            {"name": "add"},
            {},
            "no object",
            None,
        ]
        return {"tools": odd}
    if MISBEHAVES == "unsound":
        key = {"enum": ["\ud800", f"sk-ant-{'0' * 30}"]}
        schema = {"type": "object", "properties": {"a\0": key}}
        return {"tools": [{"name": "add", "description": "A\0\udfff.", "inputSchema": schema}]}
    if MISBEHAVES == "listless":
        return {"tools": 5}
    if MISBEHAVES == "endless":
        page = int(cursor or 0)
        return {"tools": [{"name": f"t{page}"}, *[{}] * 99], "nextCursor": str(page + 1)}
    if MISBEHAVES == "blank":
        page = int(cursor or 0)
        return {"tools": [None] * 300_000, "nextCursor": str(page + 1)}
    if MISBEHAVES == "pages":
        first = int(cursor or 0)
        more = {"nextCursor": str(first + 1)} if first + 1 < len(TOOLS) else {}
        return {"tools": [TOOLS[first]], **more}
    return {"tools": TOOLS}


def answer(message: Mapping[str, Any]) -> dict[str, Any]:
    params = message.get("params", {})
    match message["method"]:
        case "initialize":
            return {
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "small", "version": "1"},
            }
        case "tools/list":
            return listed(params.get("cursor"))
        case "tools/call":
            send({"method": "notifications/message", "params": {"level": "info", "data": "hm"}})
            send({"id": "mine", "method": "ping"})
            return call(params["name"], params["arguments"])
    raise KeyError(message["method"])


def main() -> None:
    if MISBEHAVES == "mute":
        time.sleep(3600)
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message or MISBEHAVES == "deaf":
            continue
        if MISBEHAVES == "garbage":
            print("Traceback (most recent call last): oh no", flush=True)
            print("[1, 2]", flush=True)
            continue
        if message["method"] == REFUSED.get(MISBEHAVES):
            said = f"{os.environ.get('LAST_WORDS', '')} {'trace line ' * 400_000}"
            send({"id": message["id"], "error": {"code": -32603, "message": said}})
            continue
        try:
            send({"id": message["id"], "result": answer(message)})
        except KeyError as unknown:
            error = {"code": -32601, "message": f"no method {unknown}"}
            send({"id": message["id"], "error": error})
        if MISBEHAVES == "stops_reading" and message["method"] == "tools/list":
            time.sleep(3600)


main()
