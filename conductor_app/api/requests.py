"""Requests as this API reads them: an id for each, JSON bodies read strictly, sizes limited."""

import json
import re
from contextlib import ExitStack
from typing import Any, NoReturn

import flask
from flask import Flask, g, request

from conductor_app import logs, masking
from conductor_app.errors import InvalidInput
from conductor_app.ids import new_id

LARGEST_BODY = 1_000_000
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

    def done(_problem: BaseException | None) -> None:
        g.pop("about", ExitStack()).close()

    app.before_request(number)
    app.teardown_request(done)
