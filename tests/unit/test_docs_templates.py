"""The reference of templates names every field with its default; its examples are valid."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from conductor_app.domain import workflow as w
from conductor_app.workflows import loader
from tests.docs import pages

WORKFLOWS, CHECKS = pages.ROOT / "docs/workflows.md", pages.ROOT / "docs/checks.md"
OF_WORKFLOWS: list[tuple[str, type[BaseModel]]] = [
    ("## Workflow", w.Template),
    ("## Inputs", w.InputSpec),
    ("## Setup", w.Setup),
    ("## Services", w.Service),
    ("`ready`:", w.Ready),
    ("## Agents of a workflow", w.AgentSpec),
    ("## Budget", w.Budget),
    ("## Gates", w.Gate),
    ("## Phases", w.PhaseSpec),
    ("`fields` and `artifacts`:", w.Wanted),
    ("`hooks`, called", w.Hooks),
    ("## Tasks", w.TaskSpec),
    ("## Retry", w.RetryPolicy),
    ("## Milestones", w.MilestoneSpec),
]
OF_CHECKS: list[tuple[str, type[BaseModel]]] = [
    ("## `command`", w.CommandCheck),
    ("## `file`", w.FileCheck),
    ("## `http`", w.HttpCheck),
    ("A request:", w.HttpRequest),
    ("## `sql`", w.SqlCheck),
    ("`expect`:", w.SqlExpectation),
    ("## `python`", w.PythonCheck),
    ("## `load`", w.LoadCheck),
    ("## `rubric`", w.RubricCheck),
]
COMMON = {**w.BaseCheck.model_fields, "kind": FieldInfo(annotation=str)}


def documented(page: Path, words: str) -> dict[str, str]:
    """Field: default, of the first table after these words at the beginning of a line."""
    _, found, rest = page.read_text(encoding="utf-8").partition(f"\n{words}")
    assert found, f"{page.name} has no {words!r}"
    lines = rest[rest.index("\n|") :].strip().split("\n\n")[0]
    return {name.strip("`"): default.strip("`") for name, default, _ in pages.rows(lines)}


def declared(fields: dict[str, FieldInfo]) -> dict[str, str]:
    return {field.alias or name: shown(field) for name, field in fields.items()}


def shown(field: FieldInfo) -> str:
    """A field's default as the tables have it."""
    if field.is_required():
        return "required"
    value: Any = field.get_default(call_default_factory=True)
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return f"{value:g}"
        case None | "" | () | {}:
            return "none"
        case str():
            return value
        case _:
            return "see below"


@pytest.mark.parametrize(("words", "model"), OF_WORKFLOWS, ids=lambda each: str(each))
def test_parts_of_a_workflow(words: str, model: type[BaseModel]) -> None:
    assert documented(WORKFLOWS, words) == declared(dict(model.model_fields))


def test_what_every_check_has() -> None:
    assert documented(CHECKS, "## Every check") == declared(COMMON)


@pytest.mark.parametrize(("words", "model"), OF_CHECKS, ids=lambda each: str(each))
def test_kinds_of_checks(words: str, model: type[BaseModel]) -> None:
    own = {name: field for name, field in model.model_fields.items() if name not in COMMON}
    assert documented(CHECKS, words) == declared(own)


def test_examples_of_workflows_are_valid() -> None:
    examples = [block.text for block in pages.blocks(WORKFLOWS, "yaml")]
    assert examples
    for text in examples:
        assert loader.parse(text, "example.yml").warnings == []


def test_examples_of_checks_are_valid() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(w.Check)
    examples = [yaml.safe_load(block.text) for block in pages.blocks(CHECKS, "yaml")]
    assert {each["kind"] for each in examples} == {
        "command",
        "file",
        "http",
        "sql",
        "python",
        "load",
    }
    for each in examples:
        adapter.validate_python(each)


def test_the_python_examples_compile() -> None:
    for page in pages.all_pages():
        for block in pages.blocks(page, "python"):
            compile(block.text, page.name, "exec")
