"""Everything that goes wrong between a client and a model, by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

# What happens where a reply should be: nothing is sent, the connection ends, the body is no JSON.
Before = Literal["closed", "no-reply", "broken-json", "empty-stream"]
# What happens in the middle of a reply.
During = Literal["stall", "cut", "truncated", "error-event", "error-data", "failed-event", "drip"]


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong, instead of a reply, before it or in the middle of it.

    An error status alone costs nothing; everything else was generated, so it is billed. A `status`
    with `during` is the error that a stream tells of, and the status where nothing is streamed.
    """

    name: str
    status: int | None = None
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    # Sent instead of the provider's error envelope.
    body: bytes | None = None
    spend_limit: bool = False
    before: Before | None = None
    during: During | None = None
    # The share of a reply's events that arrive before it goes wrong.
    after: float = 0.5
    # Seconds between a dripping stream's events.
    pause: float = 0.05


def rate_limited(retry_after: float | None = 1) -> Fault:
    headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
    return Fault("rate-limited", 429, "Number of requests exceeds your rate limit.", headers)


def spend_limited() -> Fault:
    return Fault("spend-limit", 429, "You have reached your spend limit.", spend_limit=True)


def refused(status: int, message: str) -> Fault:
    return Fault(str(status), status, message)


def dripping(pause: float) -> Fault:
    """A stream whose every event comes `pause` seconds after the one before."""
    return Fault("drip", during="drip", pause=pause)


BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"

FAULTS: Mapping[str, Fault] = {
    "400": refused(400, "messages: at least one message is required"),
    "401": refused(401, "invalid x-api-key"),
    "402": refused(402, "Your credit balance is too low."),
    "403": refused(403, "Your API key does not have permission to use this resource."),
    "404": refused(404, "model: no-such-model"),
    "413": refused(413, "Request exceeds the maximum size"),
    "429": rate_limited(),
    "429-unsaid": rate_limited(None),
    "429-long": rate_limited(130),
    "spend-limit": spend_limited(),
    "500": refused(500, "Internal server error"),
    "502": Fault("502", 502, headers={"content-type": "text/html"}, body=BAD_GATEWAY),
    "504": refused(504, "The request timed out."),
    "529": refused(529, "Overloaded"),
    "529-final": Fault("529-final", 529, "Overloaded", {"x-should-retry": "false"}),
    "broken-json": Fault("broken-json", before="broken-json"),
    "closed": Fault("closed", before="closed"),
    "no-reply": Fault("no-reply", before="no-reply"),
    "empty-stream": Fault("empty-stream", before="empty-stream"),
    "stall": Fault("stall", during="stall"),
    "error-event": Fault("error-event", 529, "Overloaded", during="error-event"),
    "error-data": Fault("error-data", 529, "Overloaded", during="error-data"),
    "failed-event": Fault("failed-event", 500, "The model failed.", during="failed-event"),
    "truncated": Fault("truncated", during="truncated"),
    # Every block of the reply is whole, and only the end is missing.
    "truncated-late": Fault("truncated-late", during="truncated", after=1.0),
    "cut": Fault("cut", during="cut"),
    "drip": dripping(0.05),
}


@dataclass(frozen=True)
class Planned:
    """A fault on the nth requests to a scenario's address, counted from 1; none named: on all."""

    fault: Fault
    on: frozenset[int] = frozenset()

    def strikes(self, number: int) -> bool:
        return not self.on or number in self.on

    @classmethod
    def parse(cls, text: str) -> "Planned":
        """`529`, `529@1` or `529@1,3`, as an address has it; raises KeyError."""
        name, _, numbers = text.partition("@")
        return cls(FAULTS[name], frozenset(int(number) for number in numbers.split(",") if number))
