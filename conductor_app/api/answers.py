"""The one shape of an answer: success, message, data; and of a page of a list."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from flask import Response, jsonify


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request led to, before it becomes a response; `data` is what JSON can hold."""

    message: str
    data: Any = None
    status: int = 200

    def response(self) -> Response:
        body = jsonify(success=True, message=self.message, data=self.data)
        body.status_code = self.status
        return body


class Page(Protocol):
    @property
    def items(self) -> Sequence[Any]: ...
    @property
    def next_cursor(self) -> str | None: ...


def answered(message: str, data: Any = None) -> Response:
    return Answer(message, data).response()


def paged(message: str, page: Page) -> Response:
    """A page of a list; `next_cursor` is null on the last one."""
    return answered(message, {"items": list(page.items), "next_cursor": page.next_cursor})
