"""What README.md and docs/ point to is there: links, headings, commands, options, variables."""

import itertools
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from conductor_app import connector_keys, connector_settings, program_settings, programs
from conductor_app.cli import main as cli
from conductor_app.settings import Settings
from tests.docs import pages

README = pages.ROOT / "README.md"
CI = pages.ROOT / ".ci" / "run"
TWO_COMMANDS = (
    "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/conductor run",
    "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest",
)
VARIABLE = re.compile(r"\bCONDUCTOR_[A-Z_]+\b")
# Of the compose file, of checks, and the beginning of a name.
OTHER_VARIABLES = {
    "CONDUCTOR_PASSWORD",
    "CONDUCTOR_ENV",
    "CONDUCTOR_CHECK_",
    "CONDUCTOR_CHECK_NAME",
}
# Where a line of a shell calls Conductor, and where prose does.
CALL = re.compile(r"(?:^|[\s/])conductor ([a-z][^\n#>|&;]*)")
IN_PROSE = re.compile(r"`conductor ([^`\n]+)`")
each_page = pytest.mark.parametrize("page", pages.all_pages(), ids=lambda page: page.name)


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in pages.links(page):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in pages.anchors(there), f"{page.name}: {target}"


def test_the_readme_leads_to_every_page() -> None:
    linked = {(README.parent / target).resolve() for target in pages.links(README)}
    assert set(pages.all_pages()) - {README} <= linked


def test_the_two_commands_are_as_promised() -> None:
    shown = [line for block in pages.blocks(README, "sh") for line in block.text.splitlines()]
    assert [line for line in shown if "venv" in line] == list(TWO_COMMANDS)


def test_what_guards_main_calls_the_second_command() -> None:
    assert os.access(CI, os.X_OK)
    script = CI.read_text().replace("\\\n", " ")
    lines = [line.strip() for line in script.splitlines()]
    position = -1
    for step in TWO_COMMANDS[1].split(" && "):
        found = [n for n, line in enumerate(lines) if called(line, step)]
        assert found and found[0] > position, f"{step} is missing or out of order"
        position = found[0]


def called(line: str, step: str) -> bool:
    """Whether a line of the script runs this command, with options of its own perhaps."""
    if line.startswith("#"):
        return False
    words, wanted = shlex.split(line), iter(shlex.split(step))
    word = next(wanted, None)
    for each in words:
        if each == word:
            word = next(wanted, None)
    return word is None


@each_page
def test_variables_are_settings(page: Path) -> None:
    settings = {f"CONDUCTOR_{name.upper()}" for name in Settings.model_fields}
    settings |= set(connector_variables())
    named = set(VARIABLE.findall(page.read_text(encoding="utf-8")))
    assert named <= settings | OTHER_VARIABLES


def connector_variables() -> Iterator[str]:
    """Those of connectors, and the beginning of all of them."""
    yield "CONDUCTOR_"
    yield from connector_keys.VARIABLES.values()
    for connectors, choices in (
        (connector_settings.DEFAULTS, connector_settings.Choices),
        (programs.BY_CONNECTOR, program_settings.ProgramChoices),
    ):
        for connector in connectors:
            for setting in choices.model_fields:
                yield f"CONDUCTOR_{connector.upper()}_{setting.upper()}"


@each_page
def test_commands_and_options_are_there(page: Path) -> None:
    for line in calls(page):
        command, words = resolved(line)
        options = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        options |= {"--help", "-h"}
        for word in itertools.takewhile(lambda word: word != "--", words):
            if word.startswith("-"):
                assert word.partition("=")[0] in options, f"{page.name}: conductor {line}"


def calls(page: Path) -> Iterator[str]:
    """What stands after `conductor` in the page's shell lines and its prose."""
    text = page.read_text(encoding="utf-8")
    yield from IN_PROSE.findall(pages.prose(text))
    for block in pages.blocks(page, "sh"):
        for line in block.text.splitlines():
            yield from CALL.findall(line.partition(" #")[0])


def resolved(line: str) -> tuple[click.Command, list[str]]:
    """The command that a line calls, and the rest of its words."""
    first, *words = shlex.split(line)
    if first.startswith("-"):
        return cli.conductor, [first, *words]
    context = click.Context(cli.conductor)
    command = cli.conductor.get_command(context, first)
    assert command is not None, f"there is no `conductor {line}`"
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.get_command(context, words.pop(0))
        assert command is not None, f"there is no `conductor {line}`"
    return command, words
