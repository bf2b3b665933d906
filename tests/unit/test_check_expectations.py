"""JSON paths, the rules for what stands there, and references in what a check sends."""

from typing import Any

import pytest

from workers.checks.expectations import MISSING, at, problems
from workers.checks.interpolation import UnknownReference, fill, fill_text
from workers.means import MeansAbsent

DOCUMENT = {"items": [{"id": 7, "title": "One", "done": False}], "total": 1, "next": None}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("items.0.id", 7),
        ("total", 1),
        ("next", None),
        ("$", DOCUMENT),
        ("", DOCUMENT),
        ("items.1", MISSING),
        ("items.-1", MISSING),
        ("items.id", MISSING),
        ("total.more", MISSING),
        ("absent", MISSING),
    ],
)
def test_a_path_leads_to_a_value_or_nowhere(path: str, found: Any) -> None:
    assert at(DOCUMENT, path) is found or at(DOCUMENT, path) == found


@pytest.mark.parametrize(
    "expected",
    [
        {"total": 1},
        {"next": None},
        {"items.0": {"equals": {"id": 7, "title": "One", "done": False}}},
        {"items": {"min_length": 1, "type": "array"}},
        {"items.0.title": {"matches": "^On", "type": "string"}},
        {"items.0.id": {"type": "integer"}},
        {"items.0.id": {"type": "number"}},
        {"items.0.done": {"type": "boolean", "equals": False}},
        {"next": {"type": "null", "exists": True}},
        {"error": {"exists": False}},
        {"items.0": {"type": "object"}},
    ],
)
def test_a_met_expectation_is_no_problem(expected: dict[str, Any]) -> None:
    assert problems(DOCUMENT, expected) == []


@pytest.mark.parametrize(
    ("expected", "problem"),
    [
        ({"total": 2}, "total must equal 2, found 1"),
        ({"total": {"type": "string"}}, "total must have type 'string', found 1"),
        (
            {"items.0.done": {"type": "integer"}},
            "items.0.done must have type 'integer', found False",
        ),
        ({"items.0.done": 0}, "items.0.done must equal 0, found False"),
        ({"items": {"min_length": 2}}, "items must have a length of at least 2"),
        ({"items.0.title": {"matches": "^Two"}}, "items.0.title must match '^Two', found 'One'"),
        ({"total": {"matches": "1"}}, "total must match '1', found 1"),
        ({"absent": 1}, "absent must equal 1, found nothing"),
        ({"absent": {"exists": True}}, "absent must be there, found nothing"),
        ({"total": {"exists": False}}, "total must not be there, found 1"),
    ],
)
def test_a_failed_expectation_says_what_was_found(expected: dict[str, Any], problem: str) -> None:
    assert problems(DOCUMENT, expected)[0].startswith(problem)


def test_a_long_value_is_cut_in_the_message() -> None:
    [problem] = problems({"text": "x" * 5_000}, {"text": "y"})
    assert len(problem) < 300


def test_references_keep_the_type_of_a_whole_value() -> None:
    sent = {"parent": "${id}", "note": "see ${id}", "tags": ["${env.TAG}"], "n": 3}
    assert fill(sent, {"id": 7}, {"TAG": "a"}) == {
        "parent": 7,
        "note": "see 7",
        "tags": ["a"],
        "n": 3,
    }
    assert fill_text("/items/${id}", {"id": 7}, {}) == "/items/7"


def test_an_unknown_reference_names_what_was_saved() -> None:
    with pytest.raises(UnknownReference, match=r"\$\{other\} is unknown; saved so far: id"):
        fill("${other}", {"id": 7}, {})


def test_an_unset_variable_is_an_absent_means() -> None:
    with pytest.raises(MeansAbsent, match="CONDUCTOR_CHECK_TAG"):
        fill("${env.TAG}", {}, {})
