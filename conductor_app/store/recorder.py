"""Writes the events of a transaction: numbered without gaps and hash-chained, stream by stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, insert, select, update

from conductor_app import masking
from conductor_app.domain import events as rules
from conductor_app.domain.states import allowed
from conductor_app.store.prepared import Prepared
from conductor_app.store.tables import events, streams

if TYPE_CHECKING:
    from conductor_app.store.database import Transaction

CREATED_TOGETHER = 500
# Parts of a payload that hold ids and states alone.
ONLY_IDS = {"move", "created"}

_INSERT = Prepared(insert(events).inline())

_LAST = Prepared(
    select(streams.c.last_number, streams.c.last_link)
    .where(streams.c.stream == bindparam("of_stream"))
    .with_for_update()
)
_ADVANCE = Prepared(
    update(streams)
    .where(streams.c.stream == bindparam("of_stream"))
    .values(last_number=bindparam("new_number"), last_link=bindparam("new_link"))
)


class ForbiddenTransition(AssertionError):
    """A change of state that the tables of domain/states.py do not allow: a fault in the engine."""


@dataclass(frozen=True, slots=True)
class _Pending:
    stream: str
    type: str
    payload: dict[str, Any]


class Recorder:
    """Collects a transaction's events; they are written at its end, under the stream's lock."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._pending: list[_Pending] = []
        # Where streams end whose lock the transaction holds: number and link.
        self._ends: dict[str, tuple[int, str]] = {}

    def know(self, stream: str, number: int, link: str) -> None:
        """The stream ends here, and nobody else can write to it during this transaction."""
        self._ends[stream] = (number, link)

    def record(self, execution_id: str, type_: str, **payload: Any) -> None:
        self.record_in(f"execution:{execution_id}", type_, **payload)

    def record_in(self, stream: str, type_: str, **payload: Any) -> None:
        """In a stream of any kind: `execution:ID`, `project:ID`, `installation`."""
        self._pending.append(_Pending(stream, type_, payload))

    def moved(
        self, execution_id: str, kind: str, id_: str, before: str, after: str, **payload: Any
    ) -> None:
        """Record that a row went from one state to another; raises when no table allows it."""
        if not allowed(kind, before, after):
            raise ForbiddenTransition(f"{kind} {id_}: {before} -> {after}")
        payload["move"] = {"kind": kind, "id": id_, "from": before, "to": after}
        self.record(execution_id, f"{kind}.{after}", **payload)

    def created(self, execution_id: str, kind: str, ids: Sequence[str], state: str) -> None:
        """Record that rows began in a state, many in one event."""
        for start in range(0, len(ids), CREATED_TOGETHER):
            created = {
                "kind": kind,
                "ids": list(ids[start : start + CREATED_TOGETHER]),
                "to": state,
            }
            self.record(execution_id, f"{kind}.created", created=created)

    def write(self, tx: Transaction) -> None:
        by_stream: dict[str, list[_Pending]] = {}
        for pending in self._pending:
            by_stream.setdefault(pending.stream, []).append(pending)
        # One order for all transactions, so that two of them never wait for each other.
        for stream in sorted(by_stream):
            self._write_stream(tx, stream, by_stream[stream])
        self._pending.clear()

    def _write_stream(self, tx: Transaction, stream: str, pending: list[_Pending]) -> None:
        number, link = self._ends.get(stream) or self._end_of(tx, stream)
        known = number > 0 or stream in self._ends
        rows = []
        for each in pending:
            number += 1
            payload, text = _masked(each.payload)
            digest = rules.digest_of(self._secret, text)
            link = rules.link(link, stream, number, each.type, tx.now, digest)
            rows.append(
                {
                    "stream": stream,
                    "number": number,
                    "type": each.type,
                    "at": tx.now,
                    "payload": payload,
                    "digest": digest,
                    "link": link,
                }
            )
        # Inline: nobody asks which positions they got.
        tx.later(_INSERT, *rows)
        self._ends[stream] = (number, link)
        if known:
            tx.later(_ADVANCE, {"of_stream": stream, "new_number": number, "new_link": link})
        else:
            tx.run(
                insert(streams),
                {"stream": stream, "last_number": number, "last_link": link},
            )

    @staticmethod
    def _end_of(tx: Transaction, stream: str) -> tuple[int, str]:
        last = tx.first(_LAST, {"of_stream": stream})
        return (last.last_number, last.last_link) if last else (0, rules.GENESIS)


def _masked(payload: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """The payload without secrets, and its canonical text: looked through in one piece."""
    text = rules.canonical(payload)
    if payload.keys() <= ONLY_IDS:
        return payload, text
    said = text.decode()
    if masking.words(said) == said:
        return payload, text
    masked = masking.within(payload)
    return masked, rules.canonical(masked)
