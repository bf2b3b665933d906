"""The templates of prompts: each has a version, and what it wants is given."""

import pytest
from jinja2 import UndefinedError

from conductor_app.catalog import AGENTS
from workers import prompts


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
        prompts.render("rules", {}) and prompts.render("roles/agent", {"title": "A"})
