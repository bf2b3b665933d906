"""A reviewer's verdict: the schema it is asked for in, and what of it counts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from conductor_app.tool_specs import ToolSpec
from workers.tools.arguments import problems
from workers.turns import Turn

TOOL = "verdict"


class Garbled(Exception):
    """No verdict can be read from the answer; the sentence tells the model what was wrong."""


@dataclass(frozen=True)
class Finding:
    """What is thought of one criterion."""

    criterion: str
    met: bool
    reason: str


@dataclass(frozen=True)
class Opinion:
    """A finding for each criterion, in their order."""

    findings: tuple[Finding, ...]
    notes: str

    @property
    def score(self) -> float:
        """The share of the criteria that are met."""
        return sum(each.met for each in self.findings) / len(self.findings)

    @property
    def unmet(self) -> list[Finding]:
        return [each for each in self.findings if not each.met]

    @property
    def words(self) -> str:
        """What the author is told."""
        said = [f"Not met: {each.criterion}\n{each.reason}".strip() for each in self.unmet]
        return "\n\n".join([*said, self.notes]).strip()


def tool(criteria: Sequence[str]) -> ToolSpec:
    """The tool that takes a verdict on these criteria."""
    properties: dict[str, Any] = {}
    for number, criterion in enumerate(criteria, start=1):
        properties[f"criterion_{number}_met"] = {"type": "boolean", "description": criterion}
        properties[f"criterion_{number}_reason"] = {
            "type": "string",
            "description": f"Why criterion {number} is met or not; where it is not, what is to do.",
        }
    properties["notes"] = {
        "type": "string",
        "description": "What else the author or the reader should know; may be empty.",
    }
    schema = {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
    return ToolSpec(TOOL, "Give your verdict on the work, once, on all criteria.", schema)


def read(turn: Turn, criteria: Sequence[str]) -> Opinion:
    """Raises Garbled."""
    if turn.stop == "cut":
        raise Garbled("Your answer was cut off at the limit of its length. Say less.")
    if [call.name for call in turn.tool_calls] != [TOOL]:
        raise Garbled(f"Give your verdict by calling the tool `{TOOL}`, once, and nothing else.")
    spec, given = tool(criteria), turn.tool_calls[0].arguments
    if wrong := problems(spec, given):
        raise Garbled(f"That is no verdict: {'; '.join(wrong)}. Call `{TOOL}` again, as it asks.")
    return opinion(given, criteria)


def opinion(given: dict[str, Any], criteria: Sequence[str]) -> Opinion:
    """Of arguments that the tool takes."""
    return Opinion(
        tuple(
            Finding(
                criterion, given[f"criterion_{number}_met"], given[f"criterion_{number}_reason"]
            )
            for number, criterion in enumerate(criteria, start=1)
        ),
        given["notes"],
    )
