"""One question to a model by the real SDKs, in each of the ways that they offer."""

from functools import cache
from typing import Any

import anthropic
import openai

HELLO: Any = [{"role": "user", "content": "hello there"}]
CLAUDE, SOL, FLASH = "claude-sonnet-5-5", "gpt-6.1-sol", "deepseek-flash"


@cache
def one_claude() -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="k", open_telemetry=False)


@cache
def one_gpt() -> openai.OpenAI:
    return openai.OpenAI(api_key="k")


def claude(url: str, **options: Any) -> anthropic.Anthropic:
    return one_claude().with_options(base_url=url, **options)


def ask_claude(url: str, **options: Any) -> anthropic.types.Message:
    client = claude(url, **options)
    return client.messages.create(model=CLAUDE, max_tokens=500, messages=HELLO)


def stream_claude(url: str, **options: Any) -> anthropic.types.Message:
    client = claude(url, **options)
    with client.messages.stream(model=CLAUDE, max_tokens=500, messages=HELLO) as stream:
        return stream.get_final_message()


def events_of_claude(url: str) -> list[Any]:
    return list(
        claude(url).messages.create(model=CLAUDE, max_tokens=500, messages=HELLO, stream=True)
    )


def gpt(url: str, **options: Any) -> openai.OpenAI:
    return one_gpt().with_options(base_url=f"{url}/v1", **options)


def ask_gpt(url: str, **options: Any) -> Any:
    return gpt(url, **options).responses.create(model=SOL, input="hello there")


def stream_gpt(url: str, **options: Any) -> Any:
    with gpt(url, **options).responses.stream(model=SOL, input="hello there") as stream:
        return stream.get_final_response()


def events_of_gpt(url: str, **options: Any) -> list[Any]:
    return list(gpt(url, **options).responses.create(model=SOL, input="hello there", stream=True))


def ask_chat(url: str, **options: Any) -> Any:
    return gpt(url, **options).chat.completions.create(model=FLASH, messages=HELLO)


def chunks_of_chat(url: str, **options: Any) -> list[Any]:
    client = gpt(url, **options)
    return list(client.chat.completions.create(model=FLASH, messages=HELLO, stream=True))


def stream_chat(url: str, **options: Any) -> Any:
    with gpt(url, **options).chat.completions.stream(model=FLASH, messages=HELLO) as stream:
        return stream.get_final_completion()
