"""What the protocols of OpenAI's kind share: errors, headers, price lists, the automatic cache."""

from collections.abc import Mapping
from typing import Any

from tests.fakes.model_server.faults import Fault
from tests.fakes.model_server.limits import Standing
from tests.fakes.model_server.prompt_cache import Input, PrefixCache, Segment
from tests.fakes.model_server.wire import Body

# The cache's units of tokens.
OPENAI_UNIT, DEEPSEEK_UNIT = 128, 64
ERROR_WORDS = {
    400: ("invalid_request_error", None),
    401: ("invalid_request_error", "invalid_api_key"),
    402: ("unknown_error", "invalid_request_error"),
    403: ("invalid_request_error", "unsupported_country_region_territory"),
    404: ("invalid_request_error", "model_not_found"),
    413: ("invalid_request_error", "request_too_large"),
    429: ("requests", "rate_limit_exceeded"),
}


def provider_of(model: str) -> str:
    return "deepseek" if model.startswith("deepseek") else "openai"


def writes_cost(model: str) -> bool:
    """From GPT-5.6 on, what is written to the cache has a price of its own."""
    family = model.removeprefix("gpt-").split("-")[0]
    return model.startswith("gpt-") and tuple(map(int, family.split("."))) >= (5, 6)


def count(cache: PrefixCache, account: str, body: Body, segments: list[Segment]) -> Input:
    model = body["model"]
    unit = DEEPSEEK_UNIT if provider_of(model) == "deepseek" else OPENAI_UNIT
    holder = (account, model, body.get("prompt_cache_key"))
    return cache.automatic(holder, segments, unit, writes_cost(model))


def error(fault: Fault) -> dict[str, Any]:
    kind, code = ERROR_WORDS.get(fault.status or 0, ("server_error", None))
    if fault.spend_limit:
        kind, code = "insufficient_quota", "insufficient_quota"
    return {"error": {"message": fault.message, "type": kind, "code": code, "param": None}}


def headers(request_id: str, standing: Mapping[str, Standing]) -> dict[str, str]:
    said = {"x-request-id": request_id}
    for name, limit in standing.items():
        said[f"x-ratelimit-limit-{name}"] = str(limit.limit)
        said[f"x-ratelimit-remaining-{name}"] = str(limit.remaining)
        said[f"x-ratelimit-reset-{name}"] = f"{limit.reset:.3f}s"
    return said
