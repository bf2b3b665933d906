"""What OpenAI's Responses protocol refuses in the items that come back."""

from collections.abc import Mapping, Sequence
from typing import Any

from tests.fakes.model_server.replies import turn_of
from tests.fakes.model_server.wire import require

# Besides messages of an assistant.
FROM_A_MODEL = ("reasoning", "function_call", "custom_tool_call")


def is_call(item: Mapping[str, Any]) -> bool:
    return item.get("type") in ("function_call", "custom_tool_call")


def is_result(item: Mapping[str, Any]) -> bool:
    return item.get("type") in ("function_call_output", "custom_tool_call_output")


def check_items(items: Sequence[Mapping[str, Any]], stored: bool) -> None:
    """Raises Rejected; `stored`: the server remembers items, so thoughts may come by id alone."""
    calls = [item["call_id"] for item in items if is_call(item)]
    answered = [item["call_id"] for item in items if is_result(item)]
    for call in calls:
        require(call in answered, f"No tool output found for function call {call}.")
        require(answered.count(call) == 1, f"Duplicate tool output for function call {call}.")
    for call in answered:
        require(call in calls, f"No tool call found for function call output with call_id {call}.")
    thoughts = set()
    for item, following in zip(items, [*items[1:], {}], strict=True):
        if item.get("type") == "reasoning":
            require(
                following.get("role") == "assistant" or following.get("type") in FROM_A_MODEL,
                f"Item '{item.get('id')}' of type 'reasoning' was provided without its required "
                "following item.",
            )
            require(
                stored or item.get("encrypted_content"),
                f"Item with id '{item.get('id')}' not found. Items are not persisted when "
                "`store` is set to false.",
                404,
            )
            thoughts.add(turn_of(item.get("id")))
        identifier = str(item.get("id") or "")
        if is_call(item) and identifier.startswith("fcr_"):
            require(
                turn_of(identifier) in thoughts,
                f"Item '{identifier}' of type 'function_call' was provided without its required "
                "'reasoning' item.",
            )
