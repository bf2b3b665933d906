"""A test's own part of the server: its scenarios and faults, what was asked of it, its bill."""

import time
import traceback
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Lock
from typing import Any

from tests.fakes.model_server.faults import FAULTS, Fault, Planned
from tests.fakes.model_server.ledger import Entry, Ledger, cost_of
from tests.fakes.model_server.limits import Limits
from tests.fakes.model_server.models import SERVED
from tests.fakes.model_server.pauses import Pauses
from tests.fakes.model_server.prompt_cache import Input, PrefixCache
from tests.fakes.model_server.replies import Reply, Script
from tests.fakes.model_server.scenarios import BUILT_IN, scripted
from tests.fakes.model_server.wire import Draft, Rejected, Wire, clipped, require

LARGEST_BODY = 32_000_000
MOST_REMEMBERED = 10_000
# Keys that no provider ever gave out begin so.
WRONG_KEY = "wrong"
HALF_SAID = Reply("I was about to say a good deal more than this when it happened.")


@dataclass
class Request:
    """One request as it came, with what became of it."""

    scenario: str
    path: str
    headers: Mapping[str, str]
    body: Any
    # Counts the requests to this address, and the SDK's own tries of this one, both from 1.
    number: int
    attempt: int
    status: int | None = None
    fault: str | None = None
    request_id: str = ""
    at: float = field(default_factory=time.monotonic)

    @property
    def key(self) -> str:
        authorization = self.headers.get("authorization", "")
        return self.headers.get("x-api-key") or authorization.removeprefix("Bearer ").strip()


@dataclass(frozen=True)
class Taken:
    """What is to be sent: a reply, a fault instead of it, or a reply that a fault befalls."""

    request: Request
    draft: Draft | None
    fault: Fault | None


class Space:
    """Scenarios, requests, cache, limits and ledger that no other test shares."""

    _serials = count(1)

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self._address = address
        self._lock = Lock()
        self._scenarios: dict[str, Script] = {}
        self._planned: dict[str, list[Planned]] = {}
        self._numbers: Counter[str] = Counter()
        self._later = 0.0
        self.requests: deque[Request] = deque(maxlen=MOST_REMEMBERED)
        self.ledger = Ledger()
        self.cache = PrefixCache(self.clock)
        self.limits = Limits(self.clock)
        self._pauses = Pauses()
        # Served besides those that everybody knows.
        self.models: set[str] = set()
        # Only these keys are right; None: all that don't begin with "wrong".
        self.keys: set[str] | None = None

    def clock(self) -> float:
        return time.monotonic() + self._later

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self._later)

    def advance(self, seconds: float) -> None:
        """Time passes, for cache lifetimes, rate limits and prices."""
        self._later += seconds

    def url(self, scenario: str, *faults: str) -> str:
        """The base URL; faults are `529` or, on the 1st and 3rd request only, `529@1,3`."""
        for text in faults:
            Planned.parse(text)
        prefix = f"{self.name}." if self.name else ""
        return f"{self._address}/{prefix}{'!'.join((scenario, *faults))}"

    def add(self, scenario: str, *turns: Reply, script: Script | None = None) -> str:
        """Register turns or a script under a name; returns its base URL."""
        self._scenarios[scenario] = script or scripted(*turns)
        return self.url(scenario)

    def begin_anew(self) -> None:
        """Forget scenarios, faults, requests and the bill; the addresses stay."""
        with self._lock:
            for each in (self._scenarios, self._planned, self._numbers, self.requests):
                each.clear()
            self.ledger = Ledger()

    def fail(self, scenario: str, fault: str | Fault, *numbers: int) -> str:
        """Let requests to the scenario fail, these or all; returns its base URL."""
        found = FAULTS[fault] if isinstance(fault, str) else fault
        self._planned.setdefault(scenario, []).append(Planned(found, frozenset(numbers)))
        return self.url(scenario)

    def knows(self, scenario: str) -> bool:
        return scenario in self._scenarios or scenario in BUILT_IN

    def record(self, address: str, path: str, headers: Mapping[str, str], body: Any) -> Request:
        retries = headers.get("x-stainless-retry-count", "")
        with self._lock:
            self._numbers[address] += 1
            request = Request(
                scenario=address.partition("!")[0],
                path=path,
                headers=headers,
                body=body,
                number=self._numbers[address],
                attempt=1 + (int(retries) if retries.isdigit() else 0),
            )
            self.requests.append(request)
        request.request_id = f"req_{next(self._serials):08d}"
        return request

    def take(self, wire: Wire, address: str, request: Request, size: int) -> Taken:
        """Decide what the request gets, count it and bill it."""
        planned = [Planned.parse(text) for text in address.split("!")[1:]]
        planned += self._planned.get(request.scenario, [])
        fault = next((plan.fault for plan in planned if plan.strikes(request.number)), None)
        if fault and fault.status and not fault.during:
            return self._taken(request, None, fault)
        try:
            self.admit(wire, request, size)
            self._pauses.check(wire, request.key, request.body)
            reply = self._reply(wire, request)
            if isinstance(reply, Fault):
                reply = replace(HALF_SAID, fault=reply)
            if reply.fault and reply.fault.status and not reply.fault.during:
                return self._taken(request, None, reply.fault)
            return self._billed(wire, request, reply, fault or reply.fault)
        except Rejected as rejected:
            return self._taken(request, None, rejected.fault)

    def admit(self, wire: Wire, request: Request, size: int) -> None:
        """Raises Rejected for a wrong key, a body that is too large or wrong, an unknown model."""
        key = request.key
        right = not key.startswith(WRONG_KEY) if self.keys is None else key in self.keys
        require(key and right, "invalid x-api-key" if key else "x-api-key: missing", 401)
        require(size <= LARGEST_BODY, "Request exceeds the maximum size", 413)
        require(isinstance(request.body, dict), "The request body is not valid JSON")
        wire.check(request.body, request.headers)
        model = request.body["model"]
        known = model in SERVED[wire.provider(model)] or model in self.models
        require(known, f"model: {model}", 404)

    def _reply(self, wire: Wire, request: Request) -> Reply | Fault:
        ask = replace(wire.ask(request.body), number=request.number)
        script = self._scenarios.get(request.scenario) or BUILT_IN[request.scenario]
        try:
            return script(ask)
        except Exception as error:
            # Told to whoever reads the client's failure, for the script is a test's own.
            last = traceback.format_exception(error)[-1].strip()
            raise Rejected(400, f"the scenario's script failed: {last}") from error

    def _billed(self, wire: Wire, request: Request, reply: Reply, fault: Fault | None) -> Taken:
        body = request.body
        ask = replace(wire.ask(body), number=request.number)
        if not wire.thinks(body):
            reply = replace(reply, thinking="")
        reply = Reply(stop="cut") if ask.limit == 0 else clipped(reply, ask.limit)
        segments = wire.segments(body)
        with self._lock:
            tokens = wire.count(PrefixCache(self.clock), request.key, body, segments).total
            if turned_away := self.limits.admit(tokens, self.ledger.cost_nano_usd):
                return self._taken(request, None, turned_away)
            used = wire.count(self.cache, request.key, body, segments)
            serial = next(self._serials)
            draft = Draft(ask, reply, used, request.request_id, serial, int(time.time()))
            self.ledger.book(self._entry(wire, request, draft, fault))
            if fault is None:
                self._pauses.note(wire, request.key, body, draft)
        return self._taken(request, draft, fault)

    def _entry(self, wire: Wire, request: Request, draft: Draft, fault: Fault | None) -> Entry:
        """What is generated is billed; of a reply that ends in its middle, what came before."""
        output = draft.output_tokens
        if fault and fault.during and fault.during != "drip":
            output = max(int(output * fault.after), 1)
        model, at = draft.ask.model, self.now()
        provider = wire.provider(model)
        return Entry(
            request_id=request.request_id,
            scenario=request.scenario,
            provider=provider,
            model=model,
            key=request.key,
            at=at,
            used=draft.used,
            output_tokens=output,
            cost_nano_usd=cost_of(provider, model, draft.used, output, at),
            reported=wire.reported(draft),
        )

    def _taken(self, request: Request, draft: Draft | None, fault: Fault | None) -> Taken:
        request.fault = fault.name if fault else None
        request.status = 200 if draft else (fault.status if fault else None)
        return Taken(request, draft, fault)


def input_of(wire: Wire, body: Mapping[str, Any]) -> Input:
    """What the request's input counts when nothing is cached."""
    return wire.count(PrefixCache(time.monotonic), "", body, wire.segments(body))
