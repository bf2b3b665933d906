"""What a program's request may ask of a provider: tokens at the listed price, and nothing else.

What a provider runs on its own machines (searches, code, other servers' tools) costs besides its
tokens, and reaches a network that the program's sandbox does not. Dearer service has no place in a
call's worst case. All of it is left out; the program is told by not being offered it.
"""

from typing import Any

Json = dict[str, Any]
# Tools that run where the program runs, by how their `type` begins; one without a type is custom.
_MESSAGES_TOOLS = ("custom", "bash_", "text_editor_", "computer_", "memory_")
_RESPONSES_TOOLS = ("function", "custom", "namespace", "local_shell", "apply_patch")
_MESSAGES_FIELDS = ("mcp_servers", "container", "speed", "inference_geo", "service_tier")
_RESPONSES_FIELDS = ("service_tier", "background")
# What leads to text that a provider has kept, and counts as input.
_RESPONSES_KEPT = ("previous_response_id", "conversation", "prompt")


def plain_messages(body: Json) -> Json:
    """Of the Messages protocol."""
    kept = _without(body, _MESSAGES_FIELDS)
    if isinstance(tools := body.get("tools"), list):
        kept["tools"] = _at_home(tools, _MESSAGES_TOOLS, "custom")
    if _compacts(body.get("context_management")) or "compaction" in body:
        # What the provider spends on that is not in the usage that it reports.
        kept = _without(kept, ("context_management", "compaction"))
    found: Json = _for_minutes(kept)
    return found


def plain_responses(body: Json) -> Json:
    """Of the Responses protocol, where some programs send their tools among the input."""
    kept = _without(body, _RESPONSES_FIELDS)
    if isinstance(tools := body.get("tools"), list):
        kept["tools"] = _at_home(tools, _RESPONSES_TOOLS, "function")
    if isinstance(items := body.get("input"), list):
        kept["input"] = [_with_tools_at_home(item) for item in items]
    return kept


def kept_at_provider(body: Json) -> str | None:
    """What of a Responses request stands for text that is not in it, of unknown size."""
    kept = next((name for name in _RESPONSES_KEPT if body.get(name)), None)
    items = body.get("input")
    if kept is None and isinstance(items, list):
        found = (each.get("type") for each in items if isinstance(each, dict))
        kept = next((name for name in found if name == "item_reference"), None)
    return kept


def _with_tools_at_home(item: Any) -> Any:
    if not isinstance(item, dict) or not isinstance(tools := item.get("tools"), list):
        return item
    return {**item, "tools": _at_home(tools, _RESPONSES_TOOLS, "function")}


def _at_home(tools: list[Any], kinds: tuple[str, ...], usual: str) -> list[Any]:
    """Those that run at the program, in namespaces as well."""
    kept = []
    for tool in tools:
        if isinstance(tool, dict) and str(tool.get("type") or usual).startswith(kinds):
            inner = tool.get("tools")
            nested = {"tools": _at_home(inner, kinds, usual)} if isinstance(inner, list) else {}
            kept.append({**tool, **nested})
    return kept


def _without(body: Json, names: tuple[str, ...]) -> Json:
    return {name: value for name, value in body.items() if name not in names}


def _compacts(management: Any) -> bool:
    edits = management.get("edits") if isinstance(management, dict) else None
    return isinstance(edits, list) and any(
        isinstance(each, dict) and str(each.get("type")).startswith("compact") for each in edits
    )


def _for_minutes(value: Any) -> Any:
    """The same, with nothing kept in the provider's cache for an hour, at a price of its own."""
    if isinstance(value, list):
        return [_for_minutes(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {name: _for_minutes(each) for name, each in value.items()}
    mark = found.get("cache_control")
    if isinstance(mark, dict):
        found["cache_control"] = _without(mark, ("ttl",))
    return found
