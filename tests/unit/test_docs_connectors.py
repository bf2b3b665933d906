"""What docs/connectors.md says of connectors is so: each is shown, the settings are valid."""

from pathlib import Path

import pytest
import yaml

from conductor_app import catalog, connector_settings, program_rules, program_settings
from conductor_app.domain.workflow import FAILURE_KINDS
from conductor_app.settings import Settings
from tests.docs import pages

PAGE = pages.ROOT / "docs" / "connectors.md"
EXAMPLES = [yaml.safe_load(block.text) for block in pages.blocks(PAGE, "yaml")]


@pytest.mark.parametrize("connector", catalog.CONNECTORS)
def test_every_connector_is_shown_in_three_lines(connector: str) -> None:
    shown = [block.text.splitlines() for block in pages.blocks(PAGE, "sh")]
    variable = f"CONDUCTOR_{connector.upper()}_"
    own = [
        lines
        for lines in shown
        if any(f"--connector {connector} " in line or variable in line for line in lines)
    ]
    assert own
    assert all(len(lines) == 3 for lines in own)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_examples_are_valid(example: object, tmp_path: Path) -> None:
    (tmp_path / "conductor.yml").write_text(yaml.safe_dump(example))
    settings = Settings.load(tmp_path)
    models, programs = connector_settings.load(settings), program_settings.load(settings)
    assert isinstance(example, dict)
    for name, chosen in example["connectors"].items():
        if name in connector_settings.DEFAULTS:
            assert models.of(name).connector == name
        else:
            assert programs.of(name).name == chosen["program"]


@pytest.mark.parametrize(
    ("head", "values"),
    [
        ("| `parser` | What it reads |", program_settings.PARSERS),
        ("| `protocol` | What it speaks to the gateway |", (*program_rules.PROTOCOLS, "none")),
    ],
)
def test_every_value_of_a_setting_is_explained(head: str, values: tuple[str, ...]) -> None:
    _, found, rest = PAGE.read_text(encoding="utf-8").partition(head)
    assert tuple(row[0].strip("`") for row in pages.rows((found + rest).split("\n\n")[0])) == values


def test_the_kinds_of_failure_are_some() -> None:
    table = pages.rows(pages.section(PAGE.read_text(encoding="utf-8"), "## When it goes wrong"))
    told = {kind.strip("` ") for row in table for kind in row[1].split(",")}
    assert told <= set(FAILURE_KINDS)
    assert {"CREDENTIALS", "SPEND_LIMIT", "API_LIMIT", "BAD_REQUEST", "REFUSED"} <= told
