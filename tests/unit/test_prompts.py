"""The templates of prompts: each has a version, and what it wants is given."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from jinja2 import UndefinedError

from conductor_app.catalog import AGENTS
from tests.prompts import FIRST, SNAPSHOTS, VERSIONS, snapshots, versions
from workers import prompts
from workers.briefing import MAP_LINES, mapped, surroundings
from workers.prompt import FAILURE_LENGTH, PART_LENGTH, opening


def test_every_template_has_a_version() -> None:
    assert {prompts.version(name) > 0 for name in prompts.names()} == {True}


def test_every_built_in_agent_has_a_role_of_its_own() -> None:
    assert {prompts.role(name) for name in AGENTS} == {f"roles/{name}" for name in AGENTS}
    assert prompts.role("somebody-else") == "roles/agent"


def test_what_a_prompt_was_made_of() -> None:
    told = prompts.versions("roles/validator", "review")
    assert told == f"roles/validator {prompts.version('roles/validator')}, review 1"


def test_a_value_that_is_wanted_is_given() -> None:
    with pytest.raises(UndefinedError):
        prompts.render("roles/agent", {"title": "A"})


def test_prompts_are_as_people_have_read_them() -> None:
    """Read what changed; then `python -m tests.prompts` keeps it."""
    for name, text in snapshots().items():
        assert text == (SNAPSHOTS / name).read_text(encoding="utf-8"), name


def test_other_words_are_another_version() -> None:
    kept = {name: rest for name, *rest in map(str.split, VERSIONS.read_text().splitlines())}
    for name, version, digest in map(str.split, versions().splitlines()):
        if name in kept and kept[name][1] != digest:
            assert int(version) > int(kept[name][0]), f"raise the version of {name}.md"
    assert versions() == VERSIONS.read_text()


def test_what_is_filled_in_is_never_a_template() -> None:
    _, user = opening(replace(FIRST, prompt="{{ 7 * 7 }} {% include 'x' %}"), "A", [])
    assert "{{ 7 * 7 }} {% include 'x' %}" in user.text


def test_long_contexts_are_cut() -> None:
    notes = [{"round": n, "kind": "X", "message": "m", "detail": "y" * 99_999} for n in range(9)]
    told = {"notes": notes, "project": "p" * 99_999, "map": ["f" * 99] * 9_999}
    _, user = opening(replace(FIRST, context=told), "A", [])
    assert len(user.text) < 3 * FAILURE_LENGTH + 2 * PART_LENGTH + 1_000
    assert "### Attempt 8: X" in user.text and "### Attempt 5: X" not in user.text


@pytest.mark.parametrize(
    ("files", "lines"),
    [
        ([], []),
        (["b.py", "a/c.py"], ["a/c.py", "b.py"]),
        ([f"a/b/{n}" for n in range(200)] + ["a/c", "d"], ["a/b/ (200 files)", "a/c", "d"]),
    ],
)
def test_a_map_is_as_deep_as_there_is_room(files: list[str], lines: list[str]) -> None:
    assert mapped(files) == lines


def test_a_map_of_very_many_files_is_cut() -> None:
    found = mapped([f"{n:04}.py" for n in range(1_000)])
    assert (len(found), found[-1]) == (MAP_LINES + 1, "... and 850 more")


def test_what_several_executions_have_learnt_is_told_once() -> None:
    same = {"category": "pattern", "description": "Use tabs", "actionTaken": ""}
    other = {**same, "category": "failure", "actionTaken": "Asked"}
    patience: Any = SimpleNamespace(read=lambda _: [same, other, same, other])
    claim: Any = SimpleNamespace(agent=None, project_id="p", phase=0)
    assert surroundings(patience, claim, None) == {
        "lessons": ["Use tabs. What was done: Asked"],
        "patterns": ["Use tabs."],
    }
