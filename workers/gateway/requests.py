"""What a program's request may ask of a provider: tokens at the listed price, and nothing else.

What a provider runs on its own machines (searches, code, other servers' tools) costs besides its
tokens, and reaches a network that the program's sandbox does not. Dearer service has no place in a
call's worst case. All of it is left out; the program is told by not being offered it.
"""

from typing import Any

Json = dict[str, Any]
# Tools that run where the program runs, by `type` or, before a version, how it begins.
_MESSAGES_TOOLS = ("custom", "bash_", "text_editor_", "computer_", "memory_")
_RESPONSES_TOOLS = ("function", "custom", "namespace", "local_shell", "apply_patch")
# What costs besides tokens, or makes them dearer, and what is of no use without it.
_MESSAGES_FIELDS = (
    *("mcp_servers", "speed", "inference_geo", "service_tier", "billing_policy"),
    *("fallbacks", "fallback_credit_token", "diagnostics", "context_hint"),
)
_CACHE_MARKS = ("cache_control", "prompt_cache_breakpoint")
_RESPONSES_FIELDS = (
    *("service_tier", "background", "prompt_cache_options", "prompt_cache_retention"),
)


def plain_messages(body: Json) -> Json:
    """Of the Messages protocol."""
    kept = _without(body, _MESSAGES_FIELDS)
    if isinstance(tools := body.get("tools"), list):
        kept["tools"] = _at_home(tools, _MESSAGES_TOOLS, "custom")
    if not _only_clears(body.get("context_management")) or "compaction" in body:
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
    found: Json = _for_minutes(kept)
    return found


def _with_tools_at_home(item: Any) -> Any:
    if not isinstance(item, dict) or not isinstance(tools := item.get("tools"), list):
        return item
    return {**item, "tools": _at_home(tools, _RESPONSES_TOOLS, "function")}


def _at_home(tools: list[Any], kinds: tuple[str, ...], usual: str) -> list[Any]:
    """Those that run at the program, in namespaces as well."""
    kept = []
    for tool in tools:
        if isinstance(tool, dict) and _is_one_of(kinds, str(tool.get("type") or usual)):
            inner = tool.get("tools")
            nested = {"tools": _at_home(inner, kinds, usual)} if isinstance(inner, list) else {}
            kept.append({**tool, **nested})
    return kept


def _is_one_of(kinds: tuple[str, ...], kind: str) -> bool:
    return any(kind.startswith(each) if each.endswith("_") else kind == each for each in kinds)


def _without(body: Json, names: tuple[str, ...]) -> Json:
    return {name: value for name, value in body.items() if name not in names}


def _only_clears(management: Any) -> bool:
    """Whether it makes the input shorter, and that by no model's work."""
    edits = management.get("edits") if isinstance(management, dict) else []
    return isinstance(edits, list) and all(
        isinstance(each, dict) and str(each.get("type")).startswith("clear_") for each in edits
    )


def _for_minutes(value: Any) -> Any:
    """The same, with nothing kept in the provider's cache for an hour, at a price of its own."""
    if isinstance(value, list):
        return [_for_minutes(each) for each in value]
    if not isinstance(value, dict):
        return value
    found = {name: _for_minutes(each) for name, each in value.items()}
    for name in _CACHE_MARKS:
        if isinstance(mark := found.get(name), dict):
            found[name] = _without(mark, ("ttl",))
    return found
