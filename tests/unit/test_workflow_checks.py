"""The kinds of check and what each refuses."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from conductor_app.domain.workflow import Check, CommandCheck, HttpCheck, LoadCheck, SqlCheck

CHECK: TypeAdapter[Check] = TypeAdapter(Check)


def read(**fields: Any) -> Check:
    return CHECK.validate_python({"name": "c", **fields})


def test_the_kind_decides_the_model() -> None:
    assert isinstance(read(kind="command", run="pytest -q"), CommandCheck)
    assert isinstance(read(kind="sql", query="select 1"), SqlCheck)


def test_what_is_common_has_defaults() -> None:
    check = read(kind="file", path="a.txt")
    assert (check.optional, check.requires, check.timeout) == (False, (), 60)


def test_a_command_is_a_line_or_a_list_of_arguments_and_its_environment_is_text() -> None:
    check = read(kind="command", run=["pytest", "-q"], env={"PORT": 5000, "DEBUG": True})
    assert isinstance(check, CommandCheck)
    assert check.run == ("pytest", "-q")
    assert check.env == {"PORT": "5000", "DEBUG": "true"}


def test_a_request_knows_whether_json_was_given() -> None:
    requests = [{"path": "/a"}, {"path": "/b", "json": None, "status": [200, 201]}]
    check = read(kind="http", service="api", requests=requests)
    assert isinstance(check, HttpCheck)
    assert ["json_body" in request.model_fields_set for request in check.requests] == [False, True]
    assert check.requests[1].status == (200, 201)


def test_a_json_field_can_be_compared_in_every_documented_way() -> None:
    expect = {
        "a.0.id": 7,
        "b": {"type": "string"},
        "c": {"matches": "^x"},
        "d": {"min_length": 2},
        "e": {"equals": {"any": "object"}},
        "f": {"exists": True},
    }
    check = read(kind="http", service="api", requests=[{"path": "/", "expect": expect}])
    assert isinstance(check, HttpCheck)
    assert check.requests[0].expect == expect


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "http", "requests": [{"path": "/"}]}, "needs `service`"),
        ({"kind": "http", "service": "api", "requests": []}, "at least 1"),
        ({"kind": "load", "path": "/"}, "needs `service`"),
        ({"kind": "file", "path": "/etc/passwd"}, "leaves the project"),
        ({"kind": "file", "path": "a/../../b"}, "leaves the project"),
        ({"kind": "file", "path": "a", "contains": ["("]}, "not a regular expression"),
        ({"kind": "command", "run": ""}, "at least 1"),
        ({"kind": "command", "run": "x", "timeout": 0}, "greater than 0"),
        ({"kind": "smell"}, "does not match any of the expected tags"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        read(**fields)


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ({"min_lenght": 2}, "did you mean `min_length`"),
        ({"id": 2}, "compared with `equals`"),
        ({"type": "text"}, "`type` is one of"),
        ({"matches": "("}, "not a regular expression"),
        ({}, "names one of"),
    ],
)
def test_an_expectation_that_is_not_understood_is_refused(expected: Any, words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        read(kind="http", service="api", requests=[{"path": "/", "expect": {"x": expected}}])


def test_load_has_the_documents_twenty_users() -> None:
    check = read(kind="load", service="api", path="/")
    assert isinstance(check, LoadCheck)
    assert (check.users, check.requests_per_user, check.max_errors) == (20, 5, 0)
