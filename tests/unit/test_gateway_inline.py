"""What of programs' requests the gateway understands, and how much it may stand for at most."""

import base64
import json
import struct
from collections.abc import Callable
from typing import Any

import pytest

from workers.failures import AttemptFailed
from workers.gateway.images import IMAGE_TOKENS
from workers.gateway.inline import NAMED_TOOL_TOKENS
from workers.gateway.protocols import MESSAGES, RESPONSES, Protocol

Wrapped = Callable[[Any], dict[str, Any]]
PICTURE = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
A_URL = {"type": "url", "url": "https://example.com/large"}
A_FILE = {"type": "file", "file_id": "file_1"}


def said(block: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [block]}]}


def result(content: Any) -> dict[str, Any]:
    return said({"type": "tool_result", "tool_use_id": "1", "content": content})


def item(**given: Any) -> dict[str, Any]:
    return {"input": [given]}


def heard(piece: Any) -> dict[str, Any]:
    return item(role="user", content=[piece])


def unseen(protocol: Protocol, body: dict[str, Any]) -> int:
    return protocol.unseen_tokens(protocol.plain({"model": "m", **body}))


IMPORTS: list[tuple[Protocol, dict[str, Any], str]] = [
    (MESSAGES, {"thread": {"type": "continue", "previous_message_id": "msg_1"}}, "thread"),
    (MESSAGES, {"container": "container_1"}, "container"),
    (MESSAGES, {"a_field_of_tomorrow": 1}, "a_field_of_tomorrow"),
    (MESSAGES, said({"type": "image", "source": A_URL}), "messages.0.content.0.source"),
    (MESSAGES, said({"type": "image", "source": A_FILE}), "messages.0.content.0.source"),
    (MESSAGES, said({"type": "document", "source": A_URL}), "'url'"),
    (MESSAGES, said({"type": "document", "source": A_FILE}), "'file'"),
    # A page of it has as much text as it likes, and is packed.
    (MESSAGES, said({"type": "document", "source": {**PICTURE}}), "'base64'"),
    (MESSAGES, result([{"type": "image", "source": A_URL}]), "messages.0.content.0.content.0"),
    (MESSAGES, result([{"type": "tool_reference", "tool_name": "x"}]), "'tool_reference'"),
    (MESSAGES, said({"type": "container_upload", "file_id": "file_1"}), "'container_upload'"),
    (MESSAGES, said({"type": "server_tool_use", "id": "1", "name": "x"}), "'server_tool_use'"),
    (MESSAGES, said({"type": "web_fetch_tool_result", "content": {}}), "'web_fetch_tool_result'"),
    (MESSAGES, {"system": [{"type": "image", "source": A_URL}]}, "system.0.source"),
    (MESSAGES, {"messages": [{"role": "user", "content": "x", "thread": {}}]}, "messages.0.thread"),
    (MESSAGES, {"messages": [{"role": "user", "content": [["x"]]}]}, "messages.0.content"),
    (MESSAGES, {"messages": {"id": "conversation_1"}}, "messages"),
    (RESPONSES, {"previous_response_id": "resp_1"}, "previous_response_id"),
    (RESPONSES, {"conversation": "conv_1"}, "conversation"),
    (RESPONSES, {"prompt": {"id": "pmpt_1"}}, "prompt"),
    (RESPONSES, {"context_management": [{"type": "compaction"}]}, "context_management"),
    (RESPONSES, {"a_field_of_tomorrow": 1}, "a_field_of_tomorrow"),
    (RESPONSES, item(type="item_reference", id="msg_1"), "'item_reference'"),
    (RESPONSES, item(id="msg_1"), "'item_reference'"),
    (RESPONSES, item(role="assistant", id="msg_1"), "by its id"),
    (RESPONSES, item(type="reasoning", id="rs_1", summary=[]), "by its id"),
    (RESPONSES, item(type="file_search_call", id="fs_1", queries=[]), "'file_search_call'"),
    (RESPONSES, item(type="compaction", encrypted_content="x"), "'compaction'"),
    (RESPONSES, heard({"type": "input_file", "file_url": "https://x"}), "'input_file'"),
    (RESPONSES, heard({"type": "input_file", "file_id": "file_1"}), "'input_file'"),
    (RESPONSES, heard({"type": "input_file", "file_data": "JVBERg=="}), "'input_file'"),
    (RESPONSES, heard({"type": "input_image", "file_id": "file_1"}), "'input_image'"),
    (RESPONSES, heard({"type": "input_image", "image_url": "https://x"}), "'input_image'"),
    (RESPONSES, heard({"type": "input_image", "image_url": "data:image/png;"}), "'input_image'"),
    (
        RESPONSES,
        item(type="function_call_output", call_id="1", output=[{"type": "input_image"}]),
        "input.0.output.0",
    ),
]


@pytest.mark.parametrize(("protocol", "body", "named"), IMPORTS)
def test_what_may_bring_in_more_is_refused(
    protocol: Protocol, body: dict[str, Any], named: str
) -> None:
    with pytest.raises(AttemptFailed) as refused:
        unseen(protocol, body)
    assert (refused.value.kind, refused.value.unspent) == ("BAD_REQUEST", True)
    assert named in refused.value.message
    assert "no budget can cover what is not known before" in refused.value.message


CLAUDE_CODE: dict[str, Any] = {
    "max_tokens": 64000,
    "stream": True,
    "metadata": {"user_id": "{}"},
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
    "tools": [{"name": "Bash", "description": "x", "input_schema": {"type": "object"}}],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "x"}]},
        {"role": "system", "content": "x"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "x", "signature": "x"},
                {"type": "redacted_thinking", "data": "x"},
                {"type": "tool_use", "id": "1", "name": "Bash", "input": {"type": "url"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": "x", "is_error": False},
                {"type": "document", "source": {"type": "text", "data": "x"}},
            ],
        },
    ],
}
CODEX: dict[str, Any] = {
    "stream": True,
    "store": False,
    "include": ["reasoning.encrypted_content"],
    "parallel_tool_calls": False,
    "tool_choice": "auto",
    "reasoning": {"effort": "low", "context": "all_turns"},
    "text": {"verbosity": "low"},
    "prompt_cache_key": "x",
    "client_metadata": {"thread_id": "x"},
    "previous_response_id": None,
    "input": [
        {"type": "additional_tools", "role": "developer", "tools": [{"type": "custom"}]},
        {"role": "user", "content": "x"},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text"}]},
        {"type": "custom_tool_call", "call_id": "1", "name": "exec", "input": "x"},
        {
            "type": "custom_tool_call_output",
            "call_id": "1",
            "output": [{"type": "input_text", "text": "x"}],
        },
        {"type": "function_call", "call_id": "2", "name": "wait", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "2", "output": "x"},
    ],
}


@pytest.mark.parametrize(("protocol", "body"), [(MESSAGES, CLAUDE_CODE), (RESPONSES, CODEX)])
def test_what_real_programs_send_is_understood(protocol: Protocol, body: dict[str, Any]) -> None:
    assert unseen(protocol, body) == 0
    assert protocol.plain(body) == body


@pytest.mark.parametrize("wrapped", [said, lambda block: result([block])])
@pytest.mark.parametrize("size", [10, 1_000_000])
def test_an_image_counts_by_what_one_costs_at_most(wrapped: Wrapped, size: int) -> None:
    body = wrapped({"type": "image", "source": {**PICTURE, "data": "A" * size}})
    bound = len(json.dumps(body)) + unseen(MESSAGES, body)
    assert IMAGE_TOKENS < bound < IMAGE_TOKENS + 1_000
    twice = {"messages": body["messages"] * 2}
    assert unseen(MESSAGES, twice) == 2 * unseen(MESSAGES, body)


def png(width: int, height: int) -> str:
    """As far as it is looked at."""
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height)
    return base64.b64encode(head + b"\x08\x02\0\0\0" * 1_000).decode()


@pytest.mark.parametrize(
    ("width", "height", "most"),
    # Measured with models that count by patches, and with those that count by 750 pixels.
    [(1, 1, 10), (1024, 1024, 1_500), (1920, 1080, 2_900), (8000, 8000, IMAGE_TOKENS)],
)
def test_an_image_that_says_its_size_counts_by_it(width: int, height: int, most: int) -> None:
    data = png(width, height)
    counted = unseen(MESSAGES, said({"type": "image", "source": {**PICTURE, "data": data}}))
    real = max(-(-width // 28) * -(-height // 28), width * height / 750)
    assert real <= counted + len(data) <= most


def test_an_image_can_not_say_that_it_is_larger_than_any_or_smaller_than_it_is() -> None:
    for data in (png(0, 5), png(2**31, 2**31), png(9, 9)[:20], "A" * 40, "é" * 40, ""):
        image = {"type": "image", "source": {**PICTURE, "data": data}}
        assert unseen(MESSAGES, said(image)) == IMAGE_TOKENS - len(data)


def test_a_tool_that_is_only_named_counts_with_what_it_stands_for() -> None:
    named: Any = [{"type": "bash_20250124", "name": "bash"}, {"type": "custom", "name": "x"}]
    assert unseen(MESSAGES, {"tools": named}) == NAMED_TOOL_TOKENS
    shells = {"type": "namespace", "name": "x", "tools": [{"type": "local_shell"}]}
    added = {"type": "additional_tools", "tools": [shells]}
    assert unseen(RESPONSES, {"tools": [shells], "input": [added]}) == 2 * NAMED_TOOL_TOKENS


def test_dearer_service_is_left_out() -> None:
    body = {"fallbacks": [{}], "speed": "fast", "context_management": {"edits": [{"type": "x"}]}}
    assert MESSAGES.plain(body) == {}
    assert RESPONSES.plain({"prompt_cache_options": {}, "service_tier": "priority"}) == {}
    mark = {"type": "input_text", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}}
    kept = RESPONSES.plain(heard(mark))["input"][0]["content"][0]
    assert kept["prompt_cache_breakpoint"] == {"mode": "explicit"}
    tools = [{"type": "custom_search", "name": "x"}, {"type": "functions"}]
    assert MESSAGES.plain({"tools": tools}) == RESPONSES.plain({"tools": tools}) == {"tools": []}
