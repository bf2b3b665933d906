"""The chain of events: whatever is changed in it shows, and folding it gives the states."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conductor_app.domain.events import (
    GENESIS,
    StoredEvent,
    canonical,
    digest,
    first_break,
    fold,
    link,
)

SECRET = b"secret"
STREAM = "execution:1"


def chained(*payloads: dict[str, Any], secret: bytes = SECRET) -> list[StoredEvent]:
    events: list[StoredEvent] = []
    before = GENESIS
    for number, payload in enumerate(payloads, start=1):
        of_payload = digest(secret, payload)
        before = link(before, STREAM, number, "task.queued", 1000 + number, of_payload)
        events.append(
            StoredEvent(STREAM, number, "task.queued", 1000 + number, payload, of_payload, before)
        )
    return events


def moved(id_: str, before: str, after: str) -> dict[str, Any]:
    return {"move": {"kind": "task", "id": id_, "from": before, "to": after}}


THREE = [moved("a", "waiting", "queued"), moved("b", "waiting", "queued"), {"note": "x"}]


def test_an_untouched_chain_holds() -> None:
    assert first_break(SECRET, chained(*THREE)) is None
    assert first_break(SECRET, []) is None


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda e: [e[0], replace(e[1], payload={"note": "y"}), e[2]], "payload of event 2"),
        (lambda e: [e[0], replace(e[1], type="task.failed"), e[2]], "event 2 does not follow"),
        (lambda e: [e[0], replace(e[1], at=5), e[2]], "event 2 does not follow"),
        (lambda e: [e[0], e[2]], "event 2 is missing"),
        (lambda e: e[1:], "event 1 is missing"),
        (lambda e: [e[1], e[0], e[2]], "event 1 is missing"),
        (lambda e: [e[0], e[1], e[1], e[2]], "event 3 is missing"),
        (lambda e: [e[0], replace(e[2], number=2), e[2]], "event 2 does not follow"),
        (
            lambda e: [replace(each, stream="execution:2") for each in e],
            "event 1 does not follow",
        ),
    ],
    ids=["payload", "type", "time", "cut out", "head cut", "order", "twice", "renumbered", "moved"],
)
def test_damage_names_the_first_bad_event(
    damage: Callable[[list[StoredEvent]], list[StoredEvent]], told: str
) -> None:
    assert told in (first_break(SECRET, damage(chained(*THREE))) or "")


def test_a_chain_made_anew_without_the_key_does_not_verify() -> None:
    assert first_break(SECRET, chained(*THREE, secret=b"guessed")) is not None


def test_the_order_of_keys_does_not_matter() -> None:
    assert canonical({"a": 1, "b": {"c": 2, "d": 3}}) == canonical({"b": {"d": 3, "c": 2}, "a": 1})


def test_folding_gives_the_last_state_of_every_row() -> None:
    events = chained(
        {"created": {"kind": "task", "ids": ["a", "b"], "to": "waiting"}},
        moved("a", "waiting", "queued"),
        moved("a", "queued", "active"),
        {"note": "nothing of a state"},
        {"created": {"kind": "phase", "ids": ["p"], "to": "pending"}},
    )
    assert fold(events) == {"task": {"a": "active", "b": "waiting"}, "phase": {"p": "pending"}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
PAYLOADS = st.dictionaries(st.text(max_size=4), JSON, max_size=3)


@settings(derandomize=True, max_examples=60, deadline=None, database=None)
@given(st.lists(PAYLOADS, min_size=1, max_size=6), st.data())
def test_any_change_of_any_payload_shows(
    payloads: list[dict[str, Any]], data: st.DataObject
) -> None:
    events = chained(*payloads)
    assert first_break(SECRET, events) is None
    index = data.draw(st.integers(0, len(events) - 1))
    other = data.draw(
        PAYLOADS.filter(lambda payload: canonical(payload) != canonical(payloads[index]))
    )
    events[index] = replace(events[index], payload=other)
    assert f"event {index + 1} " in (first_break(SECRET, events) or "")
