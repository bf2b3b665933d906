"""Every fault of the model server does to the real SDKs what was seen of the real thing."""

import json
from collections.abc import Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest

from tests.fakes.model_server import FAULTS, Space, says
from tests.sdk_calls import (
    ask_chat,
    ask_claude,
    ask_gpt,
    chunks_of_chat,
    events_of_claude,
    events_of_gpt,
    stream_chat,
    stream_claude,
    stream_gpt,
)

# How long a client waits for the next byte, where the wait is the test.
SOON = 0.2


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that an SDK wanted to sleep between its tries; nobody sleeps."""
    wanted: list[float] = []
    monkeypatch.setattr("time.sleep", wanted.append)
    return wanted


Call = Callable[..., Any]
ANTHROPIC: list[Call] = [ask_claude, stream_claude]
OPENAI: list[Call] = [ask_gpt, stream_gpt, ask_chat, chunks_of_chat]
# What each SDK raises of its own, and of the connection.
EVERY = [(anthropic, call) for call in ANTHROPIC] + [(openai, call) for call in OPENAI]
every_call = pytest.mark.parametrize(
    ("sdk", "call"), EVERY, ids=[call.__name__ for _, call in EVERY]
)

STATUSES = {
    "400": "BadRequestError",
    "401": "AuthenticationError",
    "403": "PermissionDeniedError",
    "404": "NotFoundError",
    "413": "APIStatusError",
}


@every_call
@pytest.mark.parametrize("fault", STATUSES)
def test_a_refusal_is_raised_at_once(model_server: Space, sdk: Any, call: Call, fault: str) -> None:
    with pytest.raises(getattr(sdk, STATUSES[fault])) as raised:
        call(model_server.fail("echo", fault))
    assert raised.value.status_code == int(fault)
    assert raised.value.request_id == model_server.requests[0].request_id
    assert len(model_server.requests) == 1
    assert len(model_server.ledger) == 0


def test_errors_have_the_provider_s_own_words(model_server: Space) -> None:
    kinds = {}
    for status in ("400", "401", "402", "403", "404", "413", "500", "504", "529"):
        with pytest.raises(anthropic.APIStatusError) as raised:
            ask_claude(model_server.url("echo", status), max_retries=0)
        kinds[raised.value.type] = type(raised.value).__name__
    assert kinds == {
        "invalid_request_error": "BadRequestError",
        "authentication_error": "AuthenticationError",
        "billing_error": "PaymentRequiredError",
        "permission_error": "PermissionDeniedError",
        "not_found_error": "NotFoundError",
        "request_too_large": "ContentTooLargeError",
        "api_error": "InternalServerError",
        "timeout_error": "GatewayTimeoutError",
        "overloaded_error": "OverloadedError",
    }


@every_call
def test_a_rate_limit_is_waited_for_as_long_as_it_says(
    model_server: Space, naps: list[float], sdk: Any, call: Call
) -> None:
    call(model_server.url("echo", "429@1"))
    assert naps == [1.0]
    assert [request.attempt for request in model_server.requests] == [1, 2]
    with pytest.raises(sdk.RateLimitError):
        call(model_server.url("echo", "429"))
    assert naps == [1.0] * 3
    assert len(model_server.requests) == 2 + 3
    assert len(model_server.ledger) == 1


@every_call
def test_a_rate_limit_that_names_no_time_is_tried_again_soon(
    model_server: Space, naps: list[float], sdk: Any, call: Call
) -> None:
    call(model_server.url("echo", "429-unsaid@1"))
    assert 0 < naps[0] <= 0.5


def test_a_long_wait_is_slept_by_one_sdk_and_refused_by_the_other(
    model_server: Space, naps: list[float]
) -> None:
    url = model_server.url("echo", "429-long")
    with pytest.raises(anthropic.RateLimitError):
        ask_claude(url)
    assert naps == [130.0, 130.0]
    naps.clear()
    with pytest.raises(openai.RateLimitError) as raised:
        ask_gpt(url)
    assert naps == []
    assert raised.value.response.headers["retry-after"] == "130"


def test_a_spend_limit_looks_like_a_rate_limit_but_for_its_code(model_server: Space) -> None:
    url = model_server.fail("echo", "spend-limit")
    with pytest.raises(anthropic.RateLimitError) as raised:
        ask_claude(url, max_retries=0)
    assert raised.value.error_code == "enforced_spend_limit_reached"
    with pytest.raises(openai.RateLimitError) as refused:
        ask_gpt(url, max_retries=0)
    assert refused.value.code == "insufficient_quota"


@every_call
def test_an_overload_is_tried_again_unless_the_server_says_no(
    model_server: Space, naps: list[float], sdk: Any, call: Call
) -> None:
    call(model_server.url("echo", "529@1"))
    assert len(naps) == 1
    with pytest.raises(sdk.InternalServerError):
        call(model_server.url("echo", "529"))
    assert len(naps) == 3
    with pytest.raises(sdk.InternalServerError):
        call(model_server.url("echo", "529-final"))
    assert len(naps) == 3


@every_call
def test_errors_of_the_server_are_tried_again(
    model_server: Space, naps: list[float], sdk: Any, call: Call
) -> None:
    for faults in (["500@1,2"], ["504@1"], ["502@1"]):
        call(model_server.url("echo", *faults))
    assert len(naps) == 4
    with pytest.raises(sdk.InternalServerError) as raised:
        call(model_server.url("echo", "502"))
    assert raised.value.response.text.startswith("<html>")
    # One of the SDKs shows the page as its message.
    assert sdk is openai or str(raised.value).startswith("<html>")


@pytest.mark.parametrize("call", [ask_claude, ask_gpt, ask_chat])
def test_broken_json_is_no_error_of_an_sdk(model_server: Space, call: Call) -> None:
    with pytest.raises(json.JSONDecodeError):
        call(model_server.url("echo", "broken-json"))
    assert len(model_server.requests) == 1
    assert len(model_server.ledger) == 1


@every_call
def test_a_connection_that_ends_before_the_reply(
    model_server: Space, naps: list[float], sdk: Any, call: Call
) -> None:
    with pytest.raises(sdk.APIConnectionError):
        call(model_server.url("echo", "closed"))
    assert len(naps) == 2
    assert len(model_server.requests) == len(model_server.ledger) == 3


@every_call
def test_a_reply_that_never_comes(
    model_server: Space, naps: list[float], sdk: Any, call: Call
) -> None:
    with pytest.raises(sdk.APITimeoutError):
        call(model_server.url("echo", "no-reply"), timeout=SOON)
    assert len(model_server.requests) == 3


def test_an_error_in_the_middle_of_claude_s_stream(model_server: Space) -> None:
    with pytest.raises(anthropic.APIStatusError) as raised:
        stream_claude(model_server.url("echo", "error-event"))
    assert raised.value.status_code == 200
    assert raised.value.type == "overloaded_error"
    assert not isinstance(raised.value, anthropic.OverloadedError)
    assert len(model_server.requests) == 1


def test_an_error_in_the_middle_of_a_response_is_an_event(model_server: Space) -> None:
    url = model_server.url("echo", "error-event")
    assert events_of_gpt(url)[-1].type == "error"
    with pytest.raises(RuntimeError, match=r"Didn't receive a `response\.completed`"):
        stream_gpt(url)
    assert len(model_server.requests) == 2


@pytest.mark.parametrize("call", [events_of_gpt, chunks_of_chat, stream_chat])
def test_an_error_for_data_is_raised(model_server: Space, call: Call) -> None:
    with pytest.raises(openai.APIError, match="Overloaded"):
        call(model_server.url("echo", "error-data"))


def test_a_failed_response_is_an_event(model_server: Space) -> None:
    url = model_server.url("echo", "failed-event")
    last = events_of_gpt(url)[-1]
    assert (last.type, last.response.status) == ("response.failed", "failed")
    assert last.response.error.message == "The model failed."
    with pytest.raises(RuntimeError):
        stream_gpt(url)


def test_a_truncated_stream_of_claude_looks_like_a_message(model_server: Space) -> None:
    model_server.add("work", says("I look at it now.", ("read_file", {"path": "a.py"})))
    message = stream_claude(model_server.url("work", "truncated"))
    assert message.stop_reason is None
    assert len(message.content) < 2
    message = stream_claude(model_server.url("work", "truncated-late"))
    assert message.stop_reason is None
    assert message.content[1].to_dict()["input"] == {"path": "a.py"}


def test_a_truncated_response_is_noticed_by_one_helper_only(model_server: Space) -> None:
    for fault in ("truncated", "truncated-late"):
        url = model_server.url("echo", fault)
        assert events_of_gpt(url)[-1].type != "response.completed"
        with pytest.raises(RuntimeError):
            stream_gpt(url)
        assert chunks_of_chat(url)[-1].choices[0].finish_reason is None
        assert stream_chat(url).choices[0].finish_reason is None


def test_a_truncated_reply_without_streaming_says_nothing_of_its_end(model_server: Space) -> None:
    url = model_server.url("echo", "truncated")
    assert ask_claude(url).stop_reason is None
    assert ask_gpt(url).status == "in_progress"
    assert ask_chat(url).choices[0].finish_reason is None


@pytest.mark.parametrize("call", [stream_claude, events_of_claude])
def test_claude_s_connection_is_cut(model_server: Space, call: Call) -> None:
    with pytest.raises(httpx2.RemoteProtocolError):
        call(model_server.url("echo", "cut"))
    assert len(model_server.requests) == 1


@pytest.mark.parametrize("call", [stream_gpt, events_of_gpt, chunks_of_chat])
def test_a_connection_is_cut(model_server: Space, call: Call) -> None:
    with pytest.raises(openai.APIConnectionError):
        call(model_server.url("echo", "cut"))
    assert len(model_server.requests) == 1


def test_a_stream_stalls(model_server: Space) -> None:
    url = model_server.url("echo", "stall")
    with pytest.raises(httpx2.ReadTimeout):
        stream_claude(url, timeout=SOON)
    for call in (stream_gpt, events_of_gpt, chunks_of_chat):
        with pytest.raises(openai.APITimeoutError):
            call(url, timeout=SOON)


@every_call
def test_a_reply_stalls_or_is_cut_without_streaming_too(
    model_server: Space, naps: list[float], sdk: Any, call: Call
) -> None:
    for fault in ("stall", "cut"):
        with pytest.raises((httpx2.HTTPError, sdk.APIConnectionError)):
            call(model_server.url("echo", fault), timeout=SOON)


def test_an_empty_stream(model_server: Space) -> None:
    url = model_server.url("echo", "empty-stream")
    with pytest.raises(AssertionError):
        stream_claude(url)
    with pytest.raises((RuntimeError, AssertionError)):
        stream_gpt(url)
    assert events_of_claude(url) == events_of_gpt(url) == chunks_of_chat(url) == []
    # Nor does an SDK look at what an answer without streaming has in it.
    assert ask_claude(url).content is None


def test_a_dripping_stream_never_times_out(model_server: Space) -> None:
    """Each wait is shorter than the time-out, all of them together longer."""
    model_server.fail("echo", "drip")
    assert stream_claude(model_server.url("echo"), timeout=SOON).stop_reason == "end_turn"
    assert stream_gpt(model_server.url("echo"), timeout=SOON).status == "completed"


def test_faults_are_chosen_by_scenario_and_by_number(model_server: Space) -> None:
    model_server.fail("echo", "529", 2)
    outcomes: list[str | None] = []
    for _ in range(3):
        try:
            outcomes.append(ask_claude(model_server.url("echo"), max_retries=0).stop_reason)
        except anthropic.OverloadedError:
            outcomes.append("overloaded")
    assert outcomes == ["end_turn", "overloaded", "end_turn"]
    assert ask_claude(model_server.url("prose"), max_retries=0).stop_reason == "end_turn"
    assert [request.fault for request in model_server.requests] == [None, "529", None, None]


def test_a_script_may_answer_with_a_fault(model_server: Space) -> None:
    model_server.add("own", script=lambda ask: FAULTS["413"])
    with pytest.raises(anthropic.ContentTooLargeError):
        ask_claude(model_server.url("own"))
    assert len(model_server.ledger) == 0


def test_what_was_generated_before_a_fault_is_billed(model_server: Space) -> None:
    model_server.add("talk", says("word " * 100))
    stream_claude(model_server.url("talk"))
    with pytest.raises(httpx2.RemoteProtocolError):
        stream_claude(model_server.url("talk", "cut"))
    whole, half = model_server.ledger
    assert half.used == whole.used
    assert half.output_tokens == whole.output_tokens // 2
