"""What models are told: a template file for each role, for a task and for a review, in versions.

A template's first line has its version; who changes its words raises it, and the snapshots of the
tests with it. `versions` says of which a prompt was made, so that a transcript tells.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment, Template

FOLDER = Path(__file__).parent
# Of agents that have no template of their own.
FALLBACK = "agent"
_VERSION = re.compile(r"\{#- Version ([1-9][0-9]*) -#\}\n")


def role(agent: str) -> str:
    """The template for the role of this agent."""
    own = f"roles/{agent}"
    return own if own in names() else f"roles/{FALLBACK}"


@cache
def names() -> frozenset[str]:
    """All templates: `task`, `review`, `roles/implementer`, ..."""
    return frozenset(
        file.relative_to(FOLDER).with_suffix("").as_posix() for file in FOLDER.rglob("*.md")
    )


@cache
def version(name: str) -> int:
    """Raises ValueError for a template that does not begin with one."""
    found = _VERSION.match((FOLDER / f"{name}.md").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{name}.md does not begin with its version")
    return int(found[1])


def versions(*templates: str) -> str:
    """`roles/implementer 1, rules 1, task 1`."""
    return ", ".join(f"{name} {version(name)}" for name in templates)


def render(name: str, values: Mapping[str, Any]) -> str:
    """The template filled in; a value that it wants and does not get is an error."""
    return _template(name).render(values).strip() + "\n"


@cache
def _template(name: str) -> "Template":
    return _environment().get_template(f"{name}.md")


@cache
def _environment() -> "Environment":
    # Imported on first use: a worker whose agents are Python functions never needs it.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(FOLDER),
        undefined=StrictUndefined,
        # What is filled in is read by a model and by people, never by a browser.
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
