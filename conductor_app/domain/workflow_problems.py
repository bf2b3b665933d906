"""Problems of a template: what one says, what is known around it, and walks over its parts."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from conductor_app.domain.spelling import closest
from conductor_app.domain.workflow_checks import Check
from conductor_app.domain.workflow_plan import Agents, full_key
from conductor_app.domain.workflow_template import MilestoneSpec, PhaseSpec, TaskSpec, Template

Loc = tuple[str | int, ...]
Names = Collection[str] | None


@dataclass(frozen=True)
class Problem:
    """A sentence about the place `loc` (as pydantic has it) in the template."""

    severity: Literal["error", "warning"]
    message: str
    loc: Loc
    suggestion: str | None = None


@dataclass(frozen=True)
class Surroundings:
    """What is registered around a template; None is not known here and judges nothing."""

    agents: Agents
    connectors: Names = None
    functions: Names = None
    hooks: Names = None


class PlacedTask(NamedTuple):
    loc: Loc
    phase: PhaseSpec
    task: TaskSpec
    key: str


class PlacedCheck(NamedTuple):
    loc: Loc
    phase: PhaseSpec
    check: Check


def error(message: str, *loc: str | int) -> Problem:
    return Problem("error", message, loc)


def warning(message: str, *loc: str | int) -> Problem:
    return Problem("warning", message, loc)


def unknown(
    what: str,
    word: str,
    known: Iterable[str],
    loc: Loc,
    severity: Literal["error", "warning"] = "error",
) -> Problem:
    return Problem(severity, f"there is no {what} `{word}`", loc, closest(word, list(known)))


def registered(what: str, name: str, known: Names, *loc: str | int) -> Iterator[Problem]:
    # A warning, since workers on other machines may have registered more than this one.
    if known is not None and name not in known:
        yield unknown(f"registered {what}", name, known, loc, "warning")


def tasks(template: Template) -> Iterator[PlacedTask]:
    for p, phase in enumerate(template.phases):
        for t, task in enumerate(phase.tasks):
            loc = ("phases", p, "tasks", t)
            yield PlacedTask(loc, phase, task, full_key(phase.number, task.key))


def milestones(template: Template) -> Iterator[tuple[Loc, PhaseSpec, MilestoneSpec]]:
    for p, phase in enumerate(template.phases):
        for m, milestone in enumerate(phase.milestones):
            yield ("phases", p, "milestones", m), phase, milestone


def check_lists(template: Template) -> Iterator[tuple[Loc, PhaseSpec, Sequence[Check]]]:
    for loc, phase, task, _ in tasks(template):
        yield (*loc, "checks"), phase, task.checks
    for loc, phase, milestone in milestones(template):
        yield (*loc, "checks"), phase, milestone.checks
    for p, phase in enumerate(template.phases):
        yield ("phases", p, "exit_criteria"), phase, phase.exit_criteria
        yield ("phases", p, "tests"), phase, phase.tests


def checks(template: Template) -> Iterator[PlacedCheck]:
    for loc, phase, checks in check_lists(template):
        for c, check in enumerate(checks):
            yield PlacedCheck((*loc, c), phase, check)


Rule = Callable[[Template, Surroundings], Iterator[Problem]]
