"""The model server counts its cache truthfully, keeps its own bill and enforces its limits."""

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anthropic
import openai
import pytest
from genai_prices import calc_price
from genai_prices.data_snapshot import get_snapshot

from tests.fakes.model_server import Space, says
from tests.sdk_calls import CLAUDE, FLASH, HELLO, SOL, ask_claude, claude, gpt

# About 1,500 and 500 tokens.
LONG, SHORT = "word " * 1_200, "more " * 400
FIVE_MINUTES: Mapping[str, Any] = {"type": "ephemeral"}
ONE_HOUR: Mapping[str, Any] = {"type": "ephemeral", "ttl": "1h"}


def text(words: str, mark: Mapping[str, Any] | None = None) -> dict[str, Any]:
    block = {"type": "text", "text": words}
    return {**block, "cache_control": mark} if mark else block


def said(url: str, *blocks: Any, key: str = "k", **request: Any) -> anthropic.types.Usage:
    client = claude(url, api_key=key)
    messages: Any = [{"role": "user", "content": list(blocks) or "hello"}]
    everything: Any = {"model": CLAUDE, "max_tokens": 9, "messages": messages, **request}
    answer: anthropic.types.Message = client.messages.create(**everything)
    return answer.usage


def counts(usage: anthropic.types.Usage) -> tuple[int | None, int | None, int]:
    """What was read from the cache, written to it, and neither."""
    return usage.cache_read_input_tokens, usage.cache_creation_input_tokens, usage.input_tokens


def test_a_prefix_is_written_once_and_then_read(model_server: Space) -> None:
    url = model_server.url("echo")
    system = [text(LONG, FIVE_MINUTES)]
    read, written, rest = counts(said(url, text("one"), system=system))
    assert (read, written) == (0, math.ceil(len(f"system{dumped(LONG)}") / 4))
    assert counts(said(url, text("two"), system=system)) == (written, 0, rest)
    assert said(url, text("one")).cache_read_input_tokens == 0


def dumped(words: str) -> str:
    return '{"type":"text","text":"' + words + '"}'


def test_nothing_is_read_beyond_a_breakpoint_or_without_one(model_server: Space) -> None:
    url = model_server.url("echo")
    for _ in range(2):
        assert counts(said(url, text("one"), system=LONG))[:2] == (0, 0)
    said(url, text("one"), text(LONG, FIVE_MINUTES), text("two"))
    read, written, rest = counts(said(url, text("one"), text(LONG, FIVE_MINUTES), text("two")))
    assert read and not written and rest == math.ceil(len(dumped("two")) / 4)


def test_what_comes_first_must_be_the_same(model_server: Space) -> None:
    """Tools come before the system's words, and those before messages."""
    url = model_server.url("echo")
    tool = {"name": "finish", "input_schema": {"type": "object"}}
    request: dict[str, Any] = {"tools": [tool], "system": [text(LONG, FIVE_MINUTES)]}
    said(url, **request)
    assert said(url, **request).cache_read_input_tokens
    renamed = {**request, "tools": [{**tool, "name": "done"}]}
    reordered = {**request, "tools": [dict(reversed(tool.items()))]}
    for changed in (renamed, reordered, {**request, "model": "claude-opus-5-5"}):
        assert said(url, **changed).cache_read_input_tokens == 0
    assert said(url, key="another", **request).cache_read_input_tokens == 0


def test_a_conversation_is_read_from_where_it_was_marked_before(model_server: Space) -> None:
    url = model_server.url("echo")
    first = said(url, text(LONG), text(SHORT, FIVE_MINUTES))
    more = said(url, text(LONG), text(SHORT), text(SHORT, FIVE_MINUTES))
    assert more.cache_read_input_tokens == first.cache_creation_input_tokens
    assert more.cache_creation_input_tokens == math.ceil(len(dumped(SHORT)) / 4)
    # No further back than twenty blocks.
    few, many = [text("x")] * 18, [text("x")] * 20
    assert said(url, text(LONG), text(SHORT), *few, text("z", FIVE_MINUTES)).cache_read_input_tokens
    far = said(url, text(LONG), text(SHORT), *many, text("y", FIVE_MINUTES))
    assert far.cache_read_input_tokens == 0


def test_the_last_block_is_marked_by_the_request(model_server: Space) -> None:
    url = model_server.url("echo")
    for read in (False, True):
        usage = said(url, text(LONG), extra_body={"cache_control": FIVE_MINUTES})
        assert bool(usage.cache_read_input_tokens) is read


def test_what_is_kept_lives_as_long_as_it_is_read(model_server: Space) -> None:
    url = model_server.url("echo")
    said(url, text(LONG, FIVE_MINUTES))
    for _ in range(2):
        model_server.advance(200)
        assert said(url, text(LONG, FIVE_MINUTES)).cache_read_input_tokens
    model_server.advance(301)
    assert said(url, text(LONG, FIVE_MINUTES)).cache_read_input_tokens == 0


def test_an_hour_s_breakpoint_is_counted_apart(model_server: Space) -> None:
    url = model_server.url("echo")
    usage = said(url, text(LONG, ONE_HOUR), text(SHORT, FIVE_MINUTES))
    assert usage.cache_creation
    written = usage.cache_creation
    assert written.ephemeral_1h_input_tokens > written.ephemeral_5m_input_tokens > 0
    model_server.advance(3000)
    usage = said(url, text(LONG, ONE_HOUR), text(SHORT, FIVE_MINUTES))
    assert usage.cache_read_input_tokens == written.ephemeral_1h_input_tokens
    assert usage.cache_creation_input_tokens == written.ephemeral_5m_input_tokens


def test_short_prefixes_are_kept_only_when_a_test_wants_it(model_server: Space) -> None:
    url = model_server.url("echo")
    assert said(url, text("short", FIVE_MINUTES)).cache_creation_input_tokens == 0
    model_server.cache.minimum = 0
    assert said(url, text("short", FIVE_MINUTES)).cache_creation_input_tokens


def test_openai_s_cache_is_automatic_and_its_writes_have_a_price(model_server: Space) -> None:
    client = gpt(model_server.url("echo"))
    items: Any = [{"role": "user", "content": LONG}]
    first = client.responses.create(model=SOL, input=items).usage
    items.append({"role": "user", "content": SHORT})
    second = client.responses.create(model=SOL, input=items).usage
    assert first and second
    kept = first.input_tokens // 128 * 128
    assert first.input_tokens_details.to_dict() == {"cached_tokens": 0, "cache_write_tokens": kept}
    assert second.input_tokens_details.cached_tokens == kept
    assert second.input_tokens_details.cache_write_tokens == (
        second.input_tokens // 128 * 128 - kept
    )
    other = client.responses.create(model="gpt-5.3-codex", input=items).usage
    assert other and other.input_tokens_details.cache_write_tokens == 0


def test_what_begins_alike_is_known_as_far_as_it_does(model_server: Space) -> None:
    """Also in the middle of a message; Anthropic's cache is found at breakpoints only."""
    client = gpt(model_server.url("echo"))
    client.responses.create(model=SOL, input=f"{LONG} And this.")
    usage = client.responses.create(model=SOL, input=f"{LONG} Or that.").usage
    assert usage
    fresh = usage.input_tokens - usage.input_tokens_details.cached_tokens
    assert 0 < fresh <= 2 * 128


def test_deepseek_s_hits_and_misses_are_its_input(model_server: Space) -> None:
    client = gpt(model_server.url("echo"))
    messages: Any = [{"role": "user", "content": LONG}]
    for hit in (False, True):
        usage = client.chat.completions.create(model=FLASH, messages=messages).usage
        assert usage and usage.model_extra and usage.prompt_tokens_details
        found = usage.model_extra["prompt_cache_hit_tokens"]
        assert found == usage.prompt_tokens_details.cached_tokens
        assert found == (usage.prompt_tokens // 64 * 64 if hit else 0)
        assert found + usage.model_extra["prompt_cache_miss_tokens"] == usage.prompt_tokens


def test_tokens_are_counted_before_they_are_sent(model_server: Space) -> None:
    url = model_server.url("echo")
    counted = claude(url).messages.count_tokens(model=CLAUDE, messages=HELLO)
    assert counted.input_tokens == ask_claude(url).usage.input_tokens
    ahead = gpt(url).responses.input_tokens.count(model=SOL, input="hello")
    usage = gpt(url).responses.create(model=SOL, input="hello").usage
    assert usage and usage.input_tokens == ahead.input_tokens
    assert len(model_server.ledger) == 2


ANSWERS = ["claude", "gpt", "deepseek"]
FLAVORS = {"claude": "default", "gpt": "responses", "deepseek": "chat"}
PROVIDERS = {"claude": "anthropic", "gpt": "openai", "deepseek": "deepseek"}


def answered(kind: str, url: str, words: str) -> Any:
    messages: Any = [{"role": "user", "content": [text(words, ONE_HOUR)]}]
    if kind == "claude":
        return claude(url).messages.create(
            model="claude-haiku-5-5", max_tokens=99, messages=messages
        )
    if kind == "gpt":
        return gpt(url).responses.create(model=SOL, input=words)
    messages = [{"role": "user", "content": words}]
    return gpt(url).chat.completions.create(model=FLASH, messages=messages)


# The largest passes the limits from which on everything costs more.
@pytest.mark.parametrize("words", ["hello", LONG, "word " * 250_000])
@pytest.mark.parametrize("kind", ANSWERS)
def test_the_bill_is_what_the_reported_usage_costs(
    model_server: Space, kind: str, words: str
) -> None:
    """By the price list's own reading and arithmetic, to the nano-dollar."""
    url = model_server.add("it", says("It is done. " * 7))
    for _ in range(2):
        answer = answered(kind, url, words)
        entry = list(model_server.ledger)[-1]
        extracted = get_snapshot().extract_usage(
            answer.to_dict(), provider_id=PROVIDERS[kind], api_flavor=FLAVORS[kind]
        )
        used = extracted.usage
        price = calc_price(
            used,
            answer.model,
            provider_id=PROVIDERS[kind],
            genai_request_timestamp=entry.at,
        )
        assert (entry.used.total, entry.output_tokens) == (used.input_tokens, used.output_tokens)
        assert entry.cost_nano_usd == math.ceil(price.total_price * 10**9)


def test_the_bill_s_sums_are_those_of_its_entries(model_server: Space) -> None:
    url = model_server.url("echo")
    for kind in [*ANSWERS, *ANSWERS]:
        answered(kind, url, LONG)
    entries = list(model_server.ledger)
    total, by_model = model_server.ledger.total, model_server.ledger.by_model
    assert len(entries) == total.requests == 6
    assert total.tokens == sum(entry.tokens for entry in entries)
    assert total.cost_nano_usd == sum(entry.cost_nano_usd or 0 for entry in entries)
    assert total.cost_nano_usd == sum(found.cost_nano_usd for found in by_model.values())
    assert sorted(by_model) == ["claude-haiku-5-5", FLASH, SOL]


def test_a_model_without_a_price_is_billed_as_unpriced(model_server: Space) -> None:
    model_server.models.add("claude-in-the-making")
    for model in ("claude-mythos-5", "claude-in-the-making"):
        said(model_server.url("echo"), model=model)
    assert model_server.ledger.total.unpriced == 2
    assert model_server.ledger.total.cost_nano_usd == 0
    assert model_server.ledger.total.input_tokens > 0


def test_lies_about_usage_don_t_change_the_bill(model_server: Space) -> None:
    usage = ask_claude(model_server.url("false-usage")).usage
    assert (usage.input_tokens, usage.output_tokens) == (1, 1)
    [entry] = model_server.ledger
    assert entry.reported and entry.reported["output_tokens"] == 1
    assert entry.output_tokens > 10


def test_requests_a_minute_are_limited(model_server: Space) -> None:
    model_server.limits.requests.limit = 2
    url = model_server.url("echo")
    raw = claude(url).messages.with_raw_response
    request: Any = {"model": CLAUDE, "max_tokens": 9, "messages": HELLO}
    left = [
        raw.create(**request).headers["anthropic-ratelimit-requests-remaining"] for _ in range(2)
    ]
    assert left == ["1", "0"]
    model_server.advance(20)
    with pytest.raises(anthropic.RateLimitError) as raised:
        ask_claude(url, max_retries=0)
    assert 39 <= int(raised.value.response.headers["retry-after"]) <= 40
    assert len(model_server.ledger) == 2
    model_server.advance(40)
    ask_claude(url, max_retries=0)


def test_tokens_a_minute_are_limited(model_server: Space) -> None:
    model_server.limits.tokens.limit = 2_000
    client = gpt(model_server.url("echo"), max_retries=0)
    client.responses.create(model=SOL, input=LONG)
    with pytest.raises(openai.RateLimitError) as raised:
        client.responses.create(model=SOL, input=LONG)
    assert raised.value.code == "rate_limit_exceeded"
    client.responses.create(model=SOL, input="short")


def test_spending_is_limited_whatever_is_asked_at_once(model_server: Space) -> None:
    ask_claude(model_server.url("echo"))
    once = model_server.ledger.cost_nano_usd
    model_server.limits.spend_nano_usd = 4 * once - 1

    def spends(_: int) -> bool:
        try:
            ask_claude(model_server.url("echo"), max_retries=0)
        except anthropic.RateLimitError as error:
            assert error.error_code == "enforced_spend_limit_reached"
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(spends, range(20))) == 3
    assert model_server.ledger.cost_nano_usd == 4 * once
