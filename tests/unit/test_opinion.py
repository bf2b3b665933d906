"""What counts as a reviewer's verdict, and what its author is told."""

from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.scripted_connector import says
from workers import opinion
from workers.opinion import Garbled

CRITERIA = ("It is whole.", "It is right.")
GIVEN: dict[str, Any] = {
    "criterion_1_met": True,
    "criterion_1_reason": "All is there.",
    "criterion_2_met": False,
    "criterion_2_reason": "a.py:3 divides by zero.",
    "notes": "Otherwise fine.",
}


def test_a_verdict() -> None:
    found = opinion.read(says("", ("verdict", GIVEN)), CRITERIA)
    assert found.score == 0.5
    assert [each.reason for each in found.unmet] == ["a.py:3 divides by zero."]
    assert found.words == "Not met: It is right.\na.py:3 divides by zero.\n\nOtherwise fine."


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (says("Looks good to me!"), "by calling the tool `verdict`"),
        (says("", ("finish", {"summary": "ok"})), "by calling the tool `verdict`"),
        (says("", ("verdict", GIVEN), ("verdict", GIVEN)), "once"),
        (says("", ("verdict", '{"criterion_1_met": tr')), "must be an object"),
        (says("", ("verdict", {**GIVEN, "criterion_2_met": "yes"})), "must be true or false"),
        (says("", ("verdict", {**GIVEN, "score": 10})), "`score` is not known"),
        (says("", ("verdict", {"notes": "fine"})), "`criterion_1_met` is missing"),
        (replace(says("", ("verdict", GIVEN)), stop="cut"), "cut off"),
    ],
)
def test_what_is_no_verdict(turn: Any, words: str) -> None:
    with pytest.raises(Garbled, match=words):
        opinion.read(turn, CRITERIA)


def test_every_criterion_is_asked_for() -> None:
    schema = opinion.tool(CRITERIA).schema
    assert list(schema["properties"]) == list(GIVEN)
    assert schema["required"] == list(GIVEN)
    assert schema["properties"]["criterion_2_met"]["description"] == "It is right."
