"""Carries one request of a program to its provider and the answer back, accounted for."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any, Protocol

import httpx2

from conductor_app import masking
from conductor_app.connector_settings import ModelSettings
from workers import telemetry
from workers.connectors import clients
from workers.connectors.faults import Fault, Truncated, failure_of, fault_of, retry_after
from workers.failures import AttemptFailed
from workers.gateway.account import SILENCE, GatewayAccount
from workers.gateway.meter import MeteredCall
from workers.gateway.protocols import Json
from workers.gateway.protocols import Protocol as Spoken
from workers.gateway.usage import UsageReader
from workers.turns import Usage
from workers.wanted import WantedCall

# Of the program's request only these go on; its token and whatever else it says stay here.
_REQUEST_HEADERS = ("accept", "anthropic-version", "anthropic-beta", "openai-beta", "user-agent")
_RESPONSE_HEADERS = ("content-type", "request-id", "x-request-id", "retry-after", "x-should-retry")
# An answer with less room than this is of no use to a program.
LEAST_OUTPUT_TOKENS = 1_000
# What a provider adds to a request on its own.
UNSEEN_TOKENS = 1_000
# Seconds for which a call waits for others to be settled; then the program is told to come back.
PATIENCE = 60.0


class Answerer(Protocol):
    """The connection to the program."""

    def begin(self, status: int, headers: Mapping[str, str], length: int | None) -> None: ...

    def piece(self, data: bytes) -> None: ...

    def finish(self) -> None: ...


class Forwarder:
    """One request: its path and query, its body, where it goes."""

    def __init__(
        self,
        account: GatewayAccount,
        upstream: ModelSettings,
        protocol: Spoken,
        path: str,
        headers: Mapping[str, str],
    ) -> None:
        self._account = account
        self._upstream = upstream
        self._protocol = protocol
        self._path = path
        self._headers = headers

    def free(self, body: Json, answerer: Answerer) -> None:
        """What costs nothing is passed on as it is."""
        body = self._protocol.plain(masking.within(body, masking.known))
        self._protocol.unseen_tokens(body)
        with self._sent(body) as response:
            _pass_on(response, answerer, None)

    def call(self, body: Json, answerer: Answerer) -> None:
        """Raises AttemptFailed when the budget does not cover it; nothing was answered then."""
        began = time.monotonic()
        # Only what is known: a program edits by what it is told of files, and must be told right.
        body = self._protocol.plain(masking.within(body, masking.known))
        entry: dict[str, Any] = {"protocol": self._protocol.name, "model": body["model"]}
        usage: Usage | None = None
        try:
            wanted = self._wanted(body)
            with ExitStack() as stack:
                metered = self._reserved(stack, wanted)
                body[self._protocol.output_limit] = metered.max_output_tokens
                usage = self._traced(body, answerer, metered, entry)
        except AttemptFailed as failure:
            self._account.failed(failure)
            entry |= {"refused": failure.kind, "message": failure.message}
            raise
        finally:
            entry |= {"usage": vars(usage) if usage else None}
            entry["seconds"] = round(time.monotonic() - began, 3)
            self._account.record(entry, usage)

    def _wanted(self, body: Json) -> WantedCall:
        """What the request may take; it is given a limit of its answer if it has none.

        Raises AttemptFailed for a request that leads to text which is not in it.
        """
        to = self._upstream
        most = self._protocol.bound_output(body)
        unseen = self._protocol.unseen_tokens(body) + UNSEEN_TOKENS
        bound = len(json.dumps(body, ensure_ascii=False).encode()) + unseen
        return WantedCall(
            to.connector,
            to.provider,
            body["model"],
            bound,
            most,
            LEAST_OUTPUT_TOKENS + self._protocol.thought_tokens(body),
        )

    def _reserved(self, stack: ExitStack, wanted: WantedCall) -> MeteredCall:
        """Waits, within reason, while other calls have reserved what is left."""
        patient_until = time.monotonic() + PATIENCE
        while True:
            try:
                return stack.enter_context(self._account.meter.call(wanted))
            except AttemptFailed as refused:
                wait = refused.retry_after
                if wait is None or time.monotonic() + wait > patient_until:
                    raise
                if self._account.closed_within(wait):
                    raise

    def _traced(
        self, body: Json, answerer: Answerer, metered: MeteredCall, entry: dict[str, Any]
    ) -> Usage | None:
        called = replace(self._upstream, model=body["model"])
        with telemetry.chat(called, most=metered.max_output_tokens) as chat:
            used = self._metered(body, answerer, metered, entry)
            if used is not None:
                chat.used(used)
                telemetry.paid(called, used)
            elif failure := self._account.failure:
                chat.failed(failure.kind, failure.message)
        return used

    def _metered(
        self, body: Json, answerer: Answerer, metered: MeteredCall, entry: dict[str, Any]
    ) -> Usage | None:
        """What the call used; None when nothing, or when that can't be known."""
        before = self._account.failure
        streamed = body.get("stream") is True
        reader = self._protocol.reader(streamed=streamed)
        with self._sent(body, metered) as response:
            entry["status"] = response.status_code
            entry["request_id"] = _request_id(response)
            # No redirect is followed.
            if response.status_code >= 300:
                metered.nothing_spent()
                self._account.failed(self._refused(response))
                _pass_on(response, answerer, None)
                return None
            try:
                _pass_on(response, answerer, reader)
            except (httpx2.HTTPError, Truncated) as error:
                self._account.failed(failure_of(fault_of(error), self._upstream))
                raise
            finally:
                # The program may have gone away while the last piece was on its way to it.
                priced = (
                    metered.settle(reader.usage, entry["request_id"])
                    if reader.usage is not None
                    else None
                )
                if reader.error:
                    self._account.failed(self._failure(response, reader.error))
            if reader.error:
                return priced
            self._account.went_well(before)
            return priced

    @contextmanager
    def _sent(self, body: Json, metered: MeteredCall | None = None) -> Iterator[httpx2.Response]:
        """The provider's answer, its body still to come. Raises AttemptFailed without one."""
        try:
            request = self._request(body)
        except Exception:
            if metered is not None:
                metered.nothing_spent()
            raise
        try:
            response = self._account.client(self._upstream).send(request, stream=True)
        except httpx2.HTTPError as error:
            failure = failure_of(fault_of(error), self._upstream)
            if failure.unspent and metered is not None:
                metered.nothing_spent()
            raise failure from error
        try:
            yield response
        finally:
            response.close()

    def _request(self, body: Json) -> httpx2.Request:
        """Raises AttemptFailed without a key."""
        return self._account.client(self._upstream).build_request(
            "POST",
            self._protocol.url(self._upstream.base_url, self._path),
            json=body,
            headers=self._onward(),
            timeout=SILENCE,
            extensions={"trace": self._account.watch},
        )

    def _onward(self) -> dict[str, str]:
        headers = {n: self._headers[n] for n in _REQUEST_HEADERS if self._headers.get(n)}
        # The figures are read as they stream by, so the answer must not be compressed.
        headers["accept-encoding"] = "identity"
        key = clients.require_key(self._upstream)
        if self._headers.get("x-api-key"):
            return headers | {"x-api-key": key}
        return headers | {"authorization": f"Bearer {key}"}

    def _refused(self, response: httpx2.Response) -> AttemptFailed:
        text = response.read().decode("utf-8", "replace")
        return self._failure(response, _error(text), text)

    def _failure(self, response: httpx2.Response, error: Json, text: str = "") -> AttemptFailed:
        """Of an answer that is this error, or tells of it in its middle."""
        details = error.get("details")
        code = details.get("error_code") if isinstance(details, dict) else None
        words = (code, error.get("code"), error.get("type"))
        fault = Fault(
            message=str(error.get("message") or text or "nothing"),
            status=response.status_code,
            words=tuple(word for word in words if isinstance(word, str)),
            request_id=_request_id(response),
            retry_after=retry_after(response.headers),
        )
        return failure_of(fault, self._upstream)


def _pass_on(response: httpx2.Response, answerer: Answerer, reader: UsageReader | None) -> None:
    """Every piece as it comes; what is cut short there is cut short here.

    Raises Truncated for what ends as if it were whole, and is not.
    """
    headers = {n: response.headers[n] for n in _RESPONSE_HEADERS if n in response.headers}
    length = response.headers.get("content-length", "")
    pieces: Iterable[bytes] = response.iter_raw()
    if response.is_stream_consumed:
        # An error, which may repeat the key that was sent.
        said = masking.known(response.content.decode("utf-8", "surrogateescape"))
        pieces = [said.encode("utf-8", "surrogateescape")]
        length = str(len(pieces[0]))
    answerer.begin(response.status_code, headers, int(length) if length.isdigit() else None)
    for piece in pieces:
        if reader is not None:
            reader.add(piece)
        answerer.piece(piece)
    if reader is not None:
        reader.end()
        if not reader.ended and not reader.error:
            raise Truncated
    answerer.finish()


def _request_id(response: httpx2.Response) -> str | None:
    return response.headers.get("request-id") or response.headers.get("x-request-id")


def _error(text: str) -> Json:
    """The provider's error as an object; empty when it is none."""
    try:
        found = json.loads(text)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
