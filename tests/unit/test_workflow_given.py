"""The checks that a run has, after its inputs."""

from typing import Any

import pytest

from conductor_app.domain.workflow import (
    CommandCheck,
    FileCheck,
    RubricCheck,
    Setup,
    given_checks,
    given_setup,
)
from conductor_app.errors import InvalidInput


def command(run: Any, **fields: Any) -> CommandCheck:
    return CommandCheck(kind="command", name="c", run=run, **fields)


@pytest.mark.parametrize("value", [None, "", False, 0])
def test_a_check_whose_input_says_nothing_is_left_out(value: Any) -> None:
    check = command("true", when="check")
    assert given_checks([check], {"check": value}) == ()
    assert given_checks([check], {"check": "x"}) == (check,)


def test_an_input_is_the_command_where_it_is_the_whole_line() -> None:
    [check] = given_checks([command("${inputs.check}")], {"check": "pytest -q && ls"})
    assert isinstance(check, CommandCheck)
    assert check.run == "pytest -q && ls"


def test_within_a_line_an_input_is_one_word() -> None:
    given = {"title": "x; rm -rf ."}
    [line, words] = given_checks(
        [command("echo ${inputs.title}"), command(["echo", "${inputs.title}"])], given
    )
    assert isinstance(line, CommandCheck)
    assert isinstance(words, CommandCheck)
    assert line.run == "echo 'x; rm -rf .'"
    assert words.run == ("echo", "x; rm -rf .")


def test_other_texts_are_filled_in_and_other_places_stay() -> None:
    rubric = RubricCheck(kind="rubric", name="r", criteria=("It does: ${inputs.prompt}",))
    file = FileCheck(kind="file", name="f", path="${inputs.prompt}.md", contains=("[$]{env.X}",))
    [first, second] = given_checks([rubric, file], {"prompt": "this"})
    assert isinstance(first, RubricCheck)
    assert isinstance(second, FileCheck)
    assert first.criteria == ("It does: this",)
    assert (second.path, second.contains) == ("this.md", ("[$]{env.X}",))


def test_a_check_without_places_stays_the_same() -> None:
    check = command("true")
    assert given_checks([check], {"a": "b"})[0] is check


def test_inputs_that_make_a_check_invalid_are_refused() -> None:
    file = FileCheck(kind="file", name="The file", path="${inputs.path}")
    with pytest.raises(InvalidInput, match=r"The file.*leaves the project"):
        given_checks([file], {"path": "../secret"})


def test_a_setup_is_there_when_its_input_is() -> None:
    setup = Setup(run="${inputs.setup}", lockfiles=("requirements.txt",), when="setup")
    assert given_setup(setup, {}) is None
    given = given_setup(setup, {"setup": "pip install -r requirements.txt && true"})
    assert given is not None
    assert given.run == "pip install -r requirements.txt && true"
    assert given.lockfiles == ("requirements.txt",)
    assert given_setup(None, {}) is None
