"""Typed inputs, and their places in texts."""

from typing import Any

import pytest

from conductor_app.domain.workflow import InputSpec, Workflow, headline, render
from conductor_app.errors import InvalidInput


def workflow(**inputs: Any) -> Workflow:
    phase = {"number": 0, "name": "P", "tasks": []}
    return Workflow.model_validate({"name": "w", "title": "W", "inputs": inputs, "phases": [phase]})


@pytest.mark.parametrize(
    ("spec", "text", "value"),
    [
        ({"type": "string"}, " as is ", " as is "),
        ({"type": "integer"}, "-12", -12),
        ({"type": "number"}, "2.5", 2.5),
        ({"type": "boolean"}, "Yes", True),
        ({"type": "boolean"}, "off", False),
        ({"type": "choice", "choices": ["a", "b"]}, "b", "b"),
    ],
)
def test_a_text_becomes_a_value_of_its_type(spec: Any, text: str, value: object) -> None:
    assert workflow(x=spec).parse_inputs({"x": text}) == {"x": value}


@pytest.mark.parametrize(
    ("spec", "text", "words"),
    [
        ({"type": "integer"}, "1.5", "not an integer"),
        ({"type": "integer"}, "9" * 5000, "not an integer"),
        ({"type": "number"}, "nan", "not a finite number"),
        ({"type": "number"}, "much", "not a number"),
        ({"type": "boolean"}, "maybe", "neither true nor false"),
        ({"type": "choice", "choices": ["a", "b"]}, "c", "not one of a, b"),
    ],
)
def test_a_text_of_another_type_is_refused(spec: Any, text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        workflow(x=spec).parse_inputs({"x": text})


def test_defaults_stand_in_and_may_be_absent() -> None:
    given = workflow(a={"default": "d"}, b={"type": "integer", "default": 3}, c={})
    assert given.parse_inputs({}) == {"a": "d", "b": 3, "c": None}


def test_all_problems_come_at_once() -> None:
    template = workflow(title={"required": True}, count={"type": "integer"})
    with pytest.raises(InvalidInput) as caught:
        template.parse_inputs({"titel": "x", "count": "many"})
    assert caught.value.details["problems"] == [
        "`titel` is not an input of this workflow (did you mean `title`?)",
        "`title` is required; give it with --input title=...",
        "`count`: `many` is not an integer",
    ]


def test_a_declaration_must_fit_itself() -> None:
    with pytest.raises(ValueError, match="choices"):
        InputSpec(type="choice")
    with pytest.raises(ValueError, match="not an integer"):
        InputSpec(type="integer", default="three")


def test_texts_are_filled_in_and_nothing_else_is_touched() -> None:
    text = "${inputs.title}: $HOME ${env.X} {{x}} ${inputs.flag}${inputs.none}"
    inputs = {"title": "${inputs.flag}", "flag": True, "none": None}
    assert render(text, inputs) == "${inputs.flag}: $HOME ${env.X} {{x}} true"


def test_an_unknown_place_is_refused() -> None:
    with pytest.raises(InvalidInput, match="names no input"):
        render("${inputs.other}", {})


def test_a_text_as_a_line() -> None:
    given = {"prompt": "\n  Add rate limiting\nto the API\n", "long": "word " * 40}
    assert headline("${inputs.prompt}", given) == "Add rate limiting"
    line = headline("Do: ${inputs.long}", given)
    assert line.startswith("Do: word word") and line.endswith("word ...") and len(line) <= 72
    assert headline("${inputs.none}", {"none": None}) == ""


def test_what_is_required_says_something() -> None:
    with pytest.raises(InvalidInput, match="`prompt` is empty, and nothing can be done"):
        workflow(prompt={"required": True}).parse_inputs({"prompt": " \n"})
