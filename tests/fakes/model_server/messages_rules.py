"""What Anthropic's Messages protocol refuses, in its own words."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.fakes.model_server.wire import Body, Rejected, require

# From this version on the sampling parameters are gone.
VERSION_WITHOUT_SAMPLING = "2026-10-21"
SAMPLING = ("temperature", "top_p", "top_k")
MOST_MESSAGES = 100_000
LEAST_THINKING = 1024


def check_body(body: Body, version: str) -> None:
    for name in ("model", "max_tokens", "messages"):
        require(name in body, f"{name}: Field required")
    messages = body["messages"]
    require(messages, "messages: at least one message is required")
    require(len(messages) <= MOST_MESSAGES, "messages: too many messages")
    if version == VERSION_WITHOUT_SAMPLING:
        for name in SAMPLING:
            require(name not in body, f"{name}: Extra inputs are not permitted")
    _check_thinking(body)
    for index, message in enumerate(messages):
        _check_message(index, message, version)
    _check_pairs(messages)


def _check_thinking(body: Body) -> None:
    thinking = body.get("thinking") or {"type": "disabled"}
    kinds = ("adaptive", "enabled", "disabled", "between_tools")
    require(thinking.get("type") in kinds, f"thinking.type: must be one of {', '.join(kinds)}")
    if thinking["type"] == "enabled":
        budget = thinking.get("budget_tokens", 0)
        require(
            LEAST_THINKING <= budget < body["max_tokens"],
            "thinking.budget_tokens: must be at least 1024 and less than max_tokens",
        )


def _check_message(index: int, message: Mapping[str, Any], version: str) -> None:
    role, content = message.get("role"), message.get("content")
    require(
        role in ("user", "assistant", "system"), f"messages.{index}.role: unexpected role {role!r}"
    )
    require(content is not None, f"messages.{index}.content: Field required")
    for number, block in enumerate([] if isinstance(content, str) else content or []):
        where = f"messages.{index}.content.{number}"
        kind = block.get("type")
        require(kind, f"{where}.type: Field required")
        require(role != "system" or kind == "text", f"{where}: system messages take text only")
        require(
            kind != "text" or block["text"].strip(),
            f"{where}: text content blocks must contain non-whitespace text",
        )
        thought = kind in ("thinking", "redacted_thinking")
        require(
            not (role == "assistant" and thought and number == len(content) - 1),
            f"{where}: The final block in an assistant message cannot be `thinking`.",
        )
        require(kind != "thinking" or block.get("signature"), f"{where}.signature: Field required")
        if version == VERSION_WITHOUT_SAMPLING:
            require(
                not (role == "assistant" and kind == "document"),
                f"{where}: document blocks are not permitted in assistant turns",
            )
            require(
                not (role == "user" and kind == "text" and block.get("citations")),
                f"{where}.citations: must be empty",
            )


def _check_pairs(messages: Sequence[Mapping[str, Any]]) -> None:
    """Every call has its one result in the very next message, before any other content."""
    open_calls: list[str] = []
    for index, message in enumerate(messages):
        content = message["content"]
        found = [] if isinstance(content, str) else list(content)
        results = [block["tool_use_id"] for block in found if block["type"] == "tool_result"]
        _check_results(index, open_calls, results)
        leading = [block["type"] == "tool_result" for block in found[: len(results)]]
        require(all(leading), f"messages.{index}: `tool_result` blocks must come first")
        calls = [block["id"] for block in found if block["type"] == "tool_use"]
        open_calls = calls if message["role"] == "assistant" else []
    _check_results(len(messages), open_calls, [])


def _check_results(index: int, calls: Sequence[str], results: Sequence[str]) -> None:
    missing = [call for call in calls if call not in results]
    if missing:
        raise Rejected(
            400,
            f"messages.{index - 1}: `tool_use` ids were found without `tool_result` blocks "
            f"immediately after: {', '.join(missing)}.",
        )
    for result in results:
        require(
            result in calls,
            f"messages.{index}: unexpected `tool_use_id` found in `tool_result` blocks: {result}.",
        )
    require(
        len(set(results)) == len(results),
        f"messages.{index}: each tool_use must have a single result.",
    )
