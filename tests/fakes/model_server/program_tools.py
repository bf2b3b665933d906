"""Conductor's tool calls said with the tools of coding agents that have a shell instead."""

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from tests.fakes.model_server.replies import Ask, Call, Reply

Arguments = Mapping[str, Any]

# The shells by name, and how each takes a command line.
SHELLS: Mapping[str, Callable[[str], Arguments | str]] = {
    "Bash": lambda line: {"command": line, "description": "A step of the task"},
    "bash": lambda line: {"command": line},
    "exec_command": lambda line: {"cmd": line},
    # Codex with models that write JavaScript instead of arguments.
    "exec": lambda line: f"text((await tools.exec_command({json.dumps({'cmd': line})})).output);",
    "shell_command": lambda line: {"command": line},
    "shell": lambda line: {"command": ["bash", "-c", line]},
}
REPLACE = (
    "import pathlib, sys; path = pathlib.Path(sys.argv[1]); text = path.read_text(); "
    "assert sys.argv[2] in text; path.write_text(text.replace(sys.argv[2], sys.argv[3]))"
)
COMMAND_LINES: Mapping[str, Callable[[Arguments], str]] = {
    "list_dir": lambda given: shlex.join(("ls", "-a", given["path"])),
    "read_file": lambda given: shlex.join(("cat", given["path"])),
    "search": lambda given: shlex.join(("grep", "-rn", given["pattern"], given.get("path", "."))),
    "write_file": lambda given: (
        f"printf %s {shlex.quote(given['content'])} > {shlex.quote(given['path'])}"
    ),
    "edit_file": lambda given: shlex.join(
        ("python3", "-c", REPLACE, given["path"], given["old"], given["new"])
    ),
    "run_command": lambda given: str(given["command"]),
}


def adapted(reply: Reply, ask: Ask) -> Reply:
    """The reply with its calls in the words of the tools on offer; `finish` becomes a last word."""
    shell = next((name for name in SHELLS if name in ask.tools), None)
    if shell is None or all(call.name in ask.tools for call in reply.calls):
        return reply
    calls, text = [], reply.text
    for call in reply.calls:
        if call.name == "finish" and isinstance(call.arguments, Mapping):
            text = call.arguments["summary"]
        elif call.name in COMMAND_LINES and isinstance(call.arguments, Mapping):
            calls.append(Call(shell, SHELLS[shell](COMMAND_LINES[call.name](call.arguments))))
        else:
            calls.append(call)
    return replace(reply, text=text, calls=tuple(calls))
