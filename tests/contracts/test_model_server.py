"""The model server speaks three protocols as the real SDKs expect them, and refuses as they do."""

from collections.abc import Mapping
from typing import Any, cast

import anthropic
import httpx2
import openai
import pytest

from tests.fakes.model_server import Call, Reply, Space, says
from tests.sdk_calls import CLAUDE, FLASH, HELLO, SOL, claude, events_of_gpt, gpt

LOOK = ("read_file", {"path": "naïve.py", "start": 1})
REPLIES: Mapping[str, Reply] = {
    "words": says("It's done. " * 40),
    "one letter": says("x"),
    "thoughts and calls": says(
        "I look.", LOOK, ("list_dir", {"path": "."}), thinking="Where might it be? " * 9
    ),
    "a call alone": says("", LOOK),
    "no arguments": says("", ("finish", {})),
    "nothing": says(),
    "cut": Reply("I wri", (Call("write_file", '{"path": "a.py", "content": "impo'),), stop="cut"),
    "refused": Reply(stop="refused"),
    "too long": Reply("x" * 500, stop="window"),
}
every_reply = pytest.mark.parametrize("name", REPLIES)
THINKING: Any = {"type": "adaptive"}


@every_reply
def test_a_streamed_message_is_the_message(model_server: Space, name: str) -> None:
    client = claude(model_server.add("it", REPLIES[name]))
    request: Any = {"model": CLAUDE, "max_tokens": 4000, "messages": HELLO, "thinking": THINKING}
    whole = client.messages.create(**request).to_dict()
    with client.messages.stream(**request) as stream:
        streamed = stream.get_final_message().to_dict()
    assert streamed.pop("id") != whole.pop("id")
    assert streamed == whole


@every_reply
def test_a_streamed_response_is_the_response(model_server: Space, name: str) -> None:
    client = gpt(model_server.add("it", REPLIES[name]))
    request: Any = {"model": SOL, "input": "hello", "reasoning": {"summary": "auto"}}
    whole = client.responses.create(**request).to_dict()
    built: dict[int, Any] = {}
    for event in client.responses.create(**request, stream=True):
        if event.type == "response.output_item.done":
            built[event.output_index] = event.item.to_dict()
    streamed = event.response.to_dict()
    assert event.type == f"response.{whole['status']}"
    for different in ("id", "created_at"):
        del streamed[different], whole[different]
    assert streamed == whole
    assert [built[index] for index in sorted(built)] == whole["output"]


@every_reply
def test_a_streamed_completion_is_the_completion(model_server: Space, name: str) -> None:
    client = gpt(model_server.add("it", REPLIES[name]))
    request: Any = {"model": FLASH, "messages": HELLO}
    whole = client.chat.completions.create(**request).choices[0].to_dict()
    message: dict[str, Any] = {"content": None}
    calls: dict[int, Any] = {}
    for chunk in client.chat.completions.create(**request, stream=True):
        [choice] = chunk.choices
        delta = choice.delta.to_dict()
        for name_of_text in ("content", "reasoning_content"):
            if (piece := delta.get(name_of_text)) is not None:
                message[name_of_text] = (message.get(name_of_text) or "") + str(piece)
        for part in choice.delta.tool_calls or ():
            known = calls.setdefault(part.index, {"id": part.id, "arguments": ""})
            known["arguments"] += part.function.arguments
    assert choice.finish_reason == whole["finish_reason"]
    said: Any = whole["message"]
    assert (message["content"] or "") == (said["content"] or "")
    assert message["reasoning_content"] == said["reasoning_content"]
    assert [(call["id"], call["arguments"]) for call in calls.values()] == [
        (call["id"], call["function"]["arguments"]) for call in said.get("tool_calls", ())
    ]


def test_the_events_of_a_message_come_in_order(model_server: Space) -> None:
    url = model_server.add("it", says("Hi", LOOK, thinking="Hm"))
    request = {"model": CLAUDE, "max_tokens": 99, "messages": HELLO, "thinking": THINKING}
    answer = httpx2.post(
        f"{url}/v1/messages?beta=true",
        json={**request, "stream": True},
        headers={"x-api-key": "k", "anthropic-version": "2023-06-01"},
    )
    assert answer.headers["transfer-encoding"] == "chunked"
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["request-id"] == model_server.requests[0].request_id
    names = [line[7:] for line in answer.text.splitlines() if line.startswith("event: ")]
    once = [name for name, before in zip(names, ["", *names], strict=False) if name != before]
    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    first = ["content_block_start", "ping", "content_block_delta", "content_block_stop"]
    assert once == ["message_start", *first, *block, *block, "message_delta", "message_stop"]


def test_the_events_of_a_response_are_numbered_and_in_order(model_server: Space) -> None:
    events = events_of_gpt(model_server.add("it", says("Hi", LOOK, thinking="Hm")))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = [event.type.removeprefix("response.") for event in events]
    once = [kind for kind, before in zip(kinds, ["", *kinds], strict=False) if kind != before]
    text = ["content_part.added", "output_text.delta", "output_text.done", "content_part.done"]
    call = ["function_call_arguments.delta", "function_call_arguments.done"]
    assert once == [
        *("created", "in_progress", "output_item.added", "output_item.done"),
        *("output_item.added", *text, "output_item.done"),
        *("output_item.added", *call, "output_item.done", "completed"),
    ]


def test_a_completion_streams_its_usage_only_when_asked(model_server: Space) -> None:
    client = gpt(model_server.url("echo"))
    request: Any = {"model": FLASH, "messages": HELLO, "stream": True}
    assert all(chunk.usage is None for chunk in client.chat.completions.create(**request))
    asked = client.chat.completions.create(**request, stream_options={"include_usage": True})
    *_, last = asked
    assert last.choices == []
    assert last.usage and last.usage.model_extra
    hit, miss = (last.usage.model_extra[f"prompt_cache_{kind}_tokens"] for kind in ("hit", "miss"))
    assert hit + miss == last.usage.prompt_tokens


def test_both_kinds_of_address_and_of_key_are_taken(model_server: Space) -> None:
    url = model_server.url("echo")
    for path in ("/chat/completions", "/v1/chat/completions"):
        answer = httpx2.post(
            url + path,
            json={"model": FLASH, "messages": HELLO},
            headers={"authorization": "Bearer k"},
        )
        assert answer.json()["choices"][0]["message"]["content"] == "hello there"
    body = {"model": CLAUDE, "max_tokens": 9, "messages": HELLO}
    for key in ({"x-api-key": "k"}, {"authorization": "Bearer k"}):
        for version in ("2023-06-01", "2026-10-21"):
            answer = httpx2.post(
                f"{url}/v1/messages", json=body, headers={**key, "anthropic-version": version}
            )
            assert answer.status_code == 200
    assert httpx2.head(url).status_code == 200


@pytest.mark.parametrize("key", ["wrong-one", ""])
def test_a_wrong_key_or_none_is_refused(model_server: Space, key: str) -> None:
    body = {"model": CLAUDE, "max_tokens": 9, "messages": HELLO}
    headers = {"x-api-key": key, "anthropic-version": "2026-10-21"}
    answer = httpx2.post(f"{model_server.url('echo')}/v1/messages", json=body, headers=headers)
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "authentication_error"


def test_a_model_that_is_not_served(model_server: Space) -> None:
    url = model_server.url("echo")
    with pytest.raises(anthropic.NotFoundError, match="no-such-model"):
        claude(url).messages.create(model="no-such-model", max_tokens=9, messages=HELLO)
    with pytest.raises(openai.NotFoundError):
        gpt(url).responses.create(model=CLAUDE, input="hello")
    listed = [model.id for model in claude(url).models.list()]
    assert CLAUDE in listed and SOL not in listed
    assert SOL in [model.id for model in gpt(url).models.list()]


def test_a_scenario_that_nobody_registered(model_server: Space) -> None:
    answer = httpx2.post(f"{model_server.url('nobody')}/v1/messages", json={})
    assert answer.status_code == 404
    assert "change, cut, echo" in answer.json()["error"]["message"]


def test_sampling_parameters_are_gone_with_the_new_version(model_server: Space) -> None:
    client = claude(model_server.url("echo"))
    for name in ("temperature", "top_p", "top_k"):
        with pytest.raises(anthropic.BadRequestError, match=name):
            client.messages.create(model=CLAUDE, max_tokens=9, messages=HELLO, extra_body={name: 1})
    client.messages.create(
        model=CLAUDE,
        max_tokens=9,
        messages=HELLO,
        extra_body={"temperature": 1},
        extra_headers={"anthropic-version": "2023-06-01"},
    )


def user(*blocks: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def result(identifier: str) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": identifier, "content": "ok"}


USE: Mapping[str, Any] = {"type": "tool_use", "id": "toolu_0001_0", "name": "list_dir", "input": {}}
CALLED = {"role": "assistant", "content": [USE]}
TEXT = {"type": "text", "text": "well"}
MARKED = {**TEXT, "cache_control": {"type": "ephemeral"}}
AN_HOUR = {**TEXT, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
FORGED = {"type": "thinking", "thinking": "I forge.", "signature": "sig"}
RULES: Mapping[str, tuple[list[Any], str]] = {
    "no result": ([*HELLO, CALLED, user(TEXT)], "without `tool_result` blocks"),
    "no answer": ([*HELLO, CALLED], "without `tool_result` blocks"),
    "a result too many": ([user(result("toolu_9"))], "unexpected `tool_use_id`"),
    "two results": ([*HELLO, CALLED, user(result(USE["id"]), result(USE["id"]))], "single result"),
    "words first": ([*HELLO, CALLED, user(TEXT, result(USE["id"]))], "must come first"),
    "no words": ([user({"type": "text", "text": "\n"})], "must contain non-whitespace"),
    "five breakpoints": ([user(*[MARKED] * 5)], "maximum of 4"),
    "an hour after five minutes": ([user(MARKED, AN_HOUR)], "must not come after"),
    "forged thoughts": ([*HELLO, {"role": "assistant", "content": [FORGED, TEXT]}], "signature"),
    "thoughts only": ([*HELLO, {"role": "assistant", "content": [FORGED]}], "final block"),
    "no messages": ([], "at least one message"),
}


@pytest.mark.parametrize("rule", RULES)
def test_messages_that_claude_refuses(model_server: Space, rule: str) -> None:
    messages, words = RULES[rule]
    with pytest.raises(anthropic.BadRequestError, match=words):
        claude(model_server.url("echo")).messages.create(
            model=CLAUDE, max_tokens=9, messages=messages
        )
    assert len(model_server.ledger) == 0


def test_thoughts_come_back_as_they_were_given(model_server: Space) -> None:
    client = claude(model_server.add("it", says("", LOOK, thinking="Hm."), says("Done.")))
    request: Any = {"model": CLAUDE, "max_tokens": 99, "thinking": THINKING}
    first = client.messages.create(messages=HELLO, **request)
    assert [block.type for block in first.content] == ["thinking", "tool_use"]
    call = first.content[1]
    assert call.type == "tool_use"
    turn: Any = {"role": "assistant", "content": first.content}
    answer: Any = user(result(call.id))
    last = client.messages.create(messages=[*HELLO, turn, answer], **request)
    assert last.to_dict()["content"] == [{"type": "text", "text": "Done."}]


def test_items_that_openai_refuses(model_server: Space) -> None:
    client = gpt(model_server.add("it", says("", LOOK, thinking="Hm."), says("Done.")))
    request: Any = {"model": SOL, "store": False}
    hello: Any = {"role": "user", "content": "hello"}
    first = client.responses.create(input=[hello], **request)
    thought, call = (item.to_dict() for item in first.output)
    output: Any = {"type": "function_call_output", "call_id": call["call_id"], "output": "ok"}
    bare = {**thought, "encrypted_content": None}
    refused: list[tuple[list[Any], type[openai.APIStatusError], str]] = [
        ([hello, thought, call], openai.BadRequestError, "No tool output found"),
        ([hello, output], openai.BadRequestError, "No tool call found"),
        ([hello, call, output], openai.BadRequestError, "without its required 'reasoning' item"),
        ([hello, bare, call, output], openai.NotFoundError, "Items are not persisted"),
    ]
    for items, error, words in refused:
        with pytest.raises(error, match=words):
            client.responses.create(input=items, **request)
    last = client.responses.create(input=[hello, thought, call, output], **request)
    assert last.output_text == "Done."


def test_deepseek_wants_its_thoughts_back(model_server: Space) -> None:
    client = gpt(model_server.add("it", says("", LOOK, thinking="Hm."), says("Done.")))
    choice = client.chat.completions.create(model=FLASH, messages=HELLO).choices[0]
    assert choice.message.model_extra == {"reasoning_content": "Hm."}
    said: dict[str, Any] = choice.message.to_dict()
    answer: Any = {"role": "tool", "tool_call_id": said["tool_calls"][0]["id"], "content": "ok"}
    forgotten: Any = {name: said[name] for name in said if name != "reasoning_content"}
    with pytest.raises(openai.BadRequestError, match="reasoning_content"):
        client.chat.completions.create(model=FLASH, messages=[*HELLO, forgotten, answer])
    with pytest.raises(openai.BadRequestError, match="must be followed by tool messages"):
        client.chat.completions.create(model=FLASH, messages=[*HELLO, cast(Any, said)])
    turn: Any
    for turn in (said, {**said, "reasoning_content": ""}):
        last = client.chat.completions.create(model=FLASH, messages=[*HELLO, turn, answer])
        assert last.choices[0].message.content == "Done."
    client.chat.completions.create(
        model=FLASH,
        messages=[*HELLO, forgotten, answer],
        extra_body={"thinking": {"type": "disabled"}},
    )
    # OpenAI's own models have no such rule, and show no thoughts.
    other = client.chat.completions.create(model=SOL, messages=[*HELLO, forgotten, answer])
    assert not other.choices[0].message.model_extra
