"""Events: how one is chained to the one before, how a chain is verified and folds to states."""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class StoredEvent:
    stream: str
    number: int
    type: str
    at: int
    payload: Mapping[str, Any]
    digest: str
    link: str


def canonical(payload: Mapping[str, Any]) -> bytes:
    """The one text of a payload, whatever order its keys came in."""
    return json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest(secret: bytes, payload: Mapping[str, Any]) -> str:
    """A keyed digest, so that a payload may be purged later and the chain still verifies."""
    return digest_of(secret, canonical(payload))


def digest_of(secret: bytes, text: bytes) -> str:
    """The same of a payload's canonical text."""
    return hmac.digest(secret, text, "sha256").hex()


def link(before: str, stream: str, number: int, type_: str, at: int, payload_digest: str) -> str:
    """The hash that binds an event to everything before it in its stream."""
    text = f"{before}\n{stream}\n{number}\n{type_}\n{at}\n{payload_digest}"
    return hashlib.sha256(text.encode()).hexdigest()


def first_break(secret: bytes, events: Iterable[StoredEvent]) -> str | None:
    """What is wrong with the first bad event of a whole stream, or None when the chain holds."""
    before, expected = GENESIS, 1
    for event in events:
        if event.number != expected:
            return f"{event.stream}: event {expected} is missing (found {event.number})"
        if digest(secret, event.payload) != event.digest:
            return f"{event.stream}: the payload of event {event.number} was changed"
        if (
            link(before, event.stream, event.number, event.type, event.at, event.digest)
            != event.link
        ):
            return f"{event.stream}: event {event.number} does not follow the one before it"
        before, expected = event.link, expected + 1
    return None


def fold(events: Iterable[StoredEvent]) -> dict[str, dict[str, str]]:
    """The state of every row that the events speak of: kind -> id -> state."""
    states: dict[str, dict[str, str]] = {}
    for event in events:
        if move := event.payload.get("move"):
            states.setdefault(move["kind"], {})[move["id"]] = move["to"]
        if created := event.payload.get("created"):
            began = dict.fromkeys(created["ids"], created["to"])
            states.setdefault(created["kind"], {}).update(began)
    return states
