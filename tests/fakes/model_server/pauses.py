"""Answers of the Messages API that paused: their conversation goes on with them, as they were."""

import json
from collections.abc import Mapping
from typing import Any

from tests.fakes.model_server.wire import Body, Draft, Wire, require

REFUSAL = (
    "messages: the last answer stopped with `pause_turn`. Send it back as it was, with nothing "
    "after it."
)


class Pauses:
    """What has to come back, by conversation: one is known by how it began."""

    def __init__(self) -> None:
        self._open: dict[str, list[dict[str, Any]]] = {}

    def check(self, wire: Wire, key: str, body: Body) -> None:
        """Raises Rejected."""
        paused = self._open.get(_conversation(key, body)) if wire.name == "messages" else None
        if paused:
            last = body["messages"][-1]
            as_it_was = last["role"] == "assistant" and last["content"] == paused
            require(as_it_was, REFUSAL)

    def note(self, wire: Wire, key: str, body: Body, draft: Draft) -> None:
        """What was answered now."""
        if wire.name != "messages":
            return
        conversation = _conversation(key, body)
        self._open.pop(conversation, None)
        if draft.reply.stop == "paused":
            self._open[conversation] = wire.whole(draft)["content"]


def _conversation(key: str, body: Body) -> str:
    return f"{key} {body['model']} {json.dumps(_bare(body['messages'][0]), sort_keys=True)}"


def _bare(message: Mapping[str, Any]) -> Any:
    """Without the marks of what may be cached, which move on."""
    content = message["content"]
    if isinstance(content, str):
        return content
    return [{n: v for n, v in block.items() if n != "cache_control"} for block in content]
