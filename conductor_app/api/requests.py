"""Requests as this API reads them: an id for each, JSON bodies read strictly, sizes limited."""

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from typing import Any, NoReturn

import flask
from flask import Flask, Response, g, request

from conductor_app import logs, masking, telemetry
from conductor_app.errors import InvalidInput
from conductor_app.ids import new_id
from conductor_app.telemetry import Span

LARGEST_BODY = 1_000_000
READS = ("GET", "HEAD", "OPTIONS")
REQUEST_ID_HEADER = "X-Request-Id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class InvalidJson(InvalidInput):
    """The body of the request is not JSON."""

    code = "invalid_json"
    status = 400


class UnsupportedMediaType(InvalidInput):
    """Send the body as JSON, with the header `Content-Type: application/json`."""

    code = "unsupported_media_type"
    status = 415


class LengthRequired(InvalidInput):
    """Send the body in one piece, with its Content-Length."""

    code = "length_required"
    status = 411


class HoldsSecret(InvalidInput):
    """The request holds a key or a password of this installation. Nothing of it was done: it would
    be kept and shown to agents. What needs a secret reads it from its environment."""

    code = "holds_secret"


class Request(flask.Request):
    """A request whose body is JSON or empty, which stands for an object without fields."""

    max_content_length = LARGEST_BODY

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """The body; `silent` is not heeded: a body that can't be read is never taken for none.

        Raises InvalidJson, UnsupportedMediaType, LengthRequired.
        """
        # Without a length, a body that was cut off would look like one that is complete.
        if "Transfer-Encoding" in self.headers:
            raise LengthRequired
        text = self.get_data()
        if not text.strip():
            return {}
        if masking.known_in_bytes(text):
            raise HoldsSecret
        if not self.is_json:
            raise UnsupportedMediaType
        try:
            return json.loads(text, parse_constant=_refuse_constant)
        except json.JSONDecodeError as error:
            place = {"line": error.lineno, "column": error.colno}
            raise InvalidJson(
                f"The body is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
                **place,
            ) from None
        except (ValueError, RecursionError) as error:
            raise InvalidJson(f"The body is not JSON that can be read: {error}.") from None


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")


def number_requests(app: Flask) -> None:
    """Every request has an id: the caller's when it is a plain one, else a new one."""

    def number() -> None:
        given = request.headers.get(REQUEST_ID_HEADER, "")
        g.request_id = given if _REQUEST_ID.fullmatch(given) else new_id()
        g.about = ExitStack()
        g.about.enter_context(logs.about(request=g.request_id))
        if request.method not in READS and telemetry.on():
            g.span = g.about.enter_context(_traced())

    def answered(response: Response) -> Response:
        if span := g.get("span"):
            span.set({"http.response.status_code": response.status_code})
            if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
                span.fail(str(response.status_code), "")
        return response

    def done(_problem: BaseException | None) -> None:
        g.pop("about", ExitStack()).close()

    app.before_request(number)
    app.after_request(answered)
    app.teardown_request(done)


@contextmanager
def _traced() -> Iterator[Span]:
    """A request that changes something is a span, below that of its caller."""
    route = str(request.url_rule) if request.url_rule else ""
    facts = {
        "http.request.method": request.method,
        "http.route": route or None,
        "url.path": request.path,
        "url.scheme": request.scheme,
        "conductor.request.id": g.request_id,
    }
    with (
        telemetry.continued(dict(request.headers) if not telemetry.trace_id() else None),
        telemetry.span(f"{request.method} {route}".strip(), facts, "server") as span,
    ):
        yield span
