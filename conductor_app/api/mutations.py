"""Changes: one transaction each, answered the same way however often a request is repeated."""

import hashlib
import json
import re
from collections.abc import Callable

from flask import Response, request

from conductor_app.api.access import conductor
from conductor_app.api.answers import Answer
from conductor_app.errors import InvalidInput, Refused
from conductor_app.store import idempotency
from conductor_app.store.database import Transaction

KEY_HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotent-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


class InvalidKey(InvalidInput):
    """An Idempotency-Key is 1 to 200 printable ASCII characters without spaces."""

    code = "invalid_idempotency_key"


class KeyReused(Refused):
    """This Idempotency-Key came with another request before; use a fresh one."""

    code = "idempotency_key_reused"


Effect = Callable[[Transaction], Answer]


def change(effect: Effect) -> Response:
    """Run the effect in a transaction; with a key, once: its answer is kept in that transaction.

    A request that is refused keeps nothing: its key stays free. Raises KeyReused, InvalidKey.
    """
    key = request.headers.get(KEY_HEADER)
    if key is None:
        with conductor().transaction() as tx:
            answer = effect(tx)
        return answer.response()
    if not _KEY.fullmatch(key):
        raise InvalidKey
    answer, replayed = _once(effect, key)
    response = answer.response()
    if replayed:
        response.headers[REPLAYED_HEADER] = "true"
    return response


def _once(effect: Effect, key: str) -> tuple[Answer, bool]:
    asked = _digest()
    with conductor().transaction() as tx:
        kept = idempotency.reserve(tx, key, asked)
        if kept is not None:
            if kept.request != asked:
                raise KeyReused
            return Answer(kept.response["message"], kept.response["data"], kept.status), True
        answer = effect(tx)
        idempotency.keep(tx, key, answer.status, {"message": answer.message, "data": answer.data})
    return answer, False


def _digest() -> str:
    """The same for requests that ask for the same: method, address, and the body's JSON."""
    asked = [request.method, request.path, sorted(request.args.items(multi=True))]
    text = json.dumps([*asked, request.get_json()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
