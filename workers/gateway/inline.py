"""What of a request is understood: text that it carries itself, so that its bytes bound its tokens.

A provider can be told to read what is not in a request: a page, a file, a conversation that it has
kept. How much that is nobody knows beforehand, so no budget could cover it. New ways of that kind
come with every release of a protocol: what is not known here is refused, not guessed at.
"""

from collections.abc import Collection, Iterator
from typing import Any

from workers.failures import AttemptFailed, FailureKind
from workers.gateway.images import image_tokens

Json = dict[str, Any]
# What a provider puts in the place of a tool that a request only names.
NAMED_TOOL_TOKENS = 2_000

_ALL_OF_IT = "Send all that it stands for within each request."
_AS_TEXT = "Send what is in it as text."

_MESSAGES_FIELDS = frozenset(
    (
        *("model", "max_tokens", "messages", "system", "tools", "tool_choice", "thinking"),
        *("output_config", "metadata", "stop_sequences", "stream", "cache_control"),
        *("temperature", "top_p", "top_k", "context_management"),
    )
)
_BLOCKS = ("text", "thinking", "redacted_thinking", "tool_use")
_BLOCKS_OF_BLOCKS = ("tool_result", "search_result")

_RESPONSES_FIELDS = frozenset(
    (
        *("model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls"),
        *("reasoning", "text", "max_output_tokens", "max_tool_calls", "store", "include"),
        *("stream", "stream_options", "truncation", "prompt_cache_key", "metadata"),
        *("client_metadata", "safety_identifier", "user"),
        *("temperature", "top_p", "top_logprobs"),
    )
)
_ITEMS = (
    *("message", "agent_message", "reasoning", "configuration_update", "additional_tools"),
    *("function_call", "custom_tool_call", "local_shell_call", "apply_patch_call"),
    *("function_call_output", "custom_tool_call_output"),
    *("local_shell_call_output", "apply_patch_call_output"),
)
_NAMED_TOOLS = ("local_shell", "apply_patch")
_PIECES = ("input_text", "output_text", "refusal", "encrypted_content")


def unseen_by_messages(body: Json) -> int:
    """The most tokens of its input beyond its bytes. Raises AttemptFailed for what is unknown."""
    _only(body, _MESSAGES_FIELDS, "")
    blocks = [*_blocks(body, "system", "")]
    for number, message in enumerate(_objects(body, "messages")):
        where = f"messages.{number}."
        _only(message, ("role", "content"), where)
        blocks += _blocks(message, "content", where)
    images: list[str] = [block["source"]["data"] for block in blocks if block["type"] == "image"]
    named = [each for each in _objects(body, "tools") if each.get("type", "custom") != "custom"]
    # An image is paid for by its pixels, not by its bytes.
    return sum(image_tokens(data) - len(data) for data in images) + len(named) * NAMED_TOOL_TOKENS


def unseen_by_responses(body: Json) -> int:
    """As of Messages."""
    _only(body, _RESPONSES_FIELDS, "")
    named = _named(body)
    if not isinstance(body.get("input"), str):
        for number, item in enumerate(_objects(body, "input")):
            _check_item(item, f"input.{number}")
            named += _named(item)
    return named * NAMED_TOOL_TOKENS


def _named(body: Json) -> int:
    """How many tools it only names, in namespaces as well."""
    tools = _objects(body, "tools")
    return sum((tool.get("type") in _NAMED_TOOLS) + _named(tool) for tool in tools)


def _blocks(of: Json, name: str, where: str) -> Iterator[Json]:
    """Of the Messages protocol, those within others as well."""
    if isinstance(of.get(name), str):
        return
    for number, block in enumerate(_objects(of, name, where)):
        kind, place = block.get("type"), f"{where}{name}.{number}."
        yield block
        if kind in _BLOCKS_OF_BLOCKS:
            yield from _blocks(block, "content", place)
        elif kind == "image":
            _check_image(block.get("source"), place)
        elif kind == "document":
            yield from _document(block.get("source"), place)
        elif kind not in _BLOCKS:
            raise not_passed_on(f"{place}type {kind!r}")


def _check_image(source: Any, where: str) -> None:
    inline = isinstance(source, dict) and source.get("type") == "base64"
    if not inline or not isinstance(source.get("data"), str):
        raise not_passed_on(f"{where}source of an image", "Send the image itself, as `base64`.")


def _document(source: Any, where: str) -> Iterator[Json]:
    """Text, or blocks: how much there is on the pages of a PDF is not seen by its bytes."""
    kind = source.get("type") if isinstance(source, dict) else None
    if kind == "content":
        yield from _blocks(source, "content", f"{where}source.")
    elif kind != "text":
        raise not_passed_on(f"{where}source.type {kind!r} of a document", _AS_TEXT)


def _check_item(item: Json, where: str) -> None:
    """Of the Responses protocol."""
    kind = item.get("type") or ("message" if "role" in item else "item_reference")
    if kind not in _ITEMS:
        raise not_passed_on(f"{where}.type {kind!r}")
    if kind == "reasoning":
        if item.get("id") and not item.get("encrypted_content"):
            advice = "Ask for `reasoning.encrypted_content`, and send that back."
            raise not_passed_on(f"{where}, a thought by its id", advice)
        return
    name = "output" if kind.endswith("_output") else "content"
    if kind == "message" and item.get(name) is None:
        raise not_passed_on(f"{where}, a message by its id")
    if isinstance(item.get(name), str):
        return
    for number, piece in enumerate(_objects(item, name, f"{where}.")):
        if piece.get("type") not in _PIECES:
            raise not_passed_on(f"{where}.{name}.{number}.type {piece.get('type')!r}", _AS_TEXT)


def _objects(of: Json, name: str, where: str = "") -> list[Json]:
    """Those of the list of that name; of none that is not there."""
    value = of.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise not_passed_on(f"{where}{name}, which is no list of objects")
    return value


def _only(found: Json, known: Collection[str], where: str) -> None:
    for name, value in found.items():
        if name not in known and value is not None:
            raise not_passed_on(f"`{where}{name}`")


def not_passed_on(what: str, advice: str = _ALL_OF_IT) -> AttemptFailed:
    """The refusal of a request, before anything is reserved for it."""
    return AttemptFailed(
        FailureKind.BAD_REQUEST,
        f"The model gateway does not pass on {what}: it may stand for more than is in the "
        f"request, and no budget can cover what is not known before. {advice}",
        retryable=False,
        unspent=True,
    )
