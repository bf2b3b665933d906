"""A small coding agent: asks its model turn by turn, runs what it says in a shell, says the end.

coder.py PROMPT        with ANTHROPIC_BASE_URL and ANTHROPIC_API_KEY, as others of its kind
"""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from typing import Any

BASH = {
    "name": "Bash",
    "description": "Run a command.",
    "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}},
}


def ask(messages: list[dict[str, Any]]) -> dict[str, Any]:
    body = {"model": "claude-sonnet-5-5", "max_tokens": 4000, "tools": [BASH], "messages": messages}
    request = urllib.request.Request(
        f"{os.environ['ANTHROPIC_BASE_URL']}/v1/messages",
        json.dumps(body).encode(),
        {
            "content-type": "application/json",
            "anthropic-version": "2023-06-01",
            "x-api-key": os.environ["ANTHROPIC_API_KEY"],
        },
    )
    with urllib.request.urlopen(request) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def run(call: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run(call["input"]["command"], shell=True, capture_output=True, text=True)
    return {"type": "tool_result", "tool_use_id": call["id"], "content": done.stdout + done.stderr}


def main() -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": sys.argv[1]}]
    while True:
        answer = ask(messages)
        for block in answer["content"]:
            if block["type"] == "text":
                print(block["text"], flush=True)
        if answer["stop_reason"] != "tool_use":
            return
        calls = [block for block in answer["content"] if block["type"] == "tool_use"]
        messages += [
            {"role": "assistant", "content": answer["content"]},
            {"role": "user", "content": [run(call) for call in calls]},
        ]


try:
    main()
except urllib.error.HTTPError as refused:
    sys.exit(f"the model's service answered {refused.code}: {refused.read().decode()}")
