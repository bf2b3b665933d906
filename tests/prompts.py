"""Prompts as they stand, for people to read and for tests to compare: `python -m tests.prompts`."""

import hashlib
from pathlib import Path

from conductor_app.catalog import AGENTS
from conductor_app.domain.workflow import AgentSpec
from tests.fakes.attempts import agent_task
from workers import prompts
from workers.prompt import opening
from workers.turns import Message

SNAPSHOTS = Path(__file__).parent / "unit" / "data" / "prompts"
VERSIONS = SNAPSHOTS / "versions.txt"

FIRST = agent_task("1/crud-api", phase_name="Core", title="CRUD", prompt="Routes for requirements.")
LATER = agent_task(
    "0/change",
    workflow="change",
    phase_name="Change",
    goal="The repository is changed as it was asked for",
    agent="implementer",
    title="Limit the rate of the API",
    prompt="Limit the rate of the API to ${rate} requests a minute; {{ this }} stays as it is.",
    produces=("api/limits.py",),
    checks=("The check succeeds: `pytest -q` ends with exit code 0",),
    later_checks=("The Validator approves: the agent validator reviews it: It is whole.",),
    failures=2,
    inputs={"prompt": "Limit the rate of the API", "check": "pytest -q", "rate": 100, "no": None},
    context={
        "notes": [
            {
                "round": 1,
                "kind": "CHECK_FAILED",
                "message": "The check succeeds: `pytest -q` ended with exit code 1, not 0",
                "detail": "FAILED tests/test_limits.py::test_a_minute_later",
            },
            {
                "round": 1,
                "kind": "CHECK_FAILED",
                "message": "The Validator approves: 4 of 5 criteria are met",
                "detail": "Not met: It is whole.\napi/limits.py:12: the 429 has no Retry-After.",
                "review": True,
            },
        ],
        "lessons": ["0/change failed with CHECK_FAILED and was mended. What was done: A clock."],
        "patterns": ["Fixtures of the API live in tests/api/conftest.py."],
        "project": [
            "Workflow: Change. Makes one change to a repository.",
            "AGENTS.md says how this project works:\n\nRun `pytest -q` before you commit.",
            "The last commits:\n- Serve the API",
        ],
        "map": ["AGENTS.md", "api/ (12 files)", "tests/api/conftest.py"],
    },
)
REVIEW = {
    "requests": [{"key": "0/change", "prompt": "Limit the rate of the API."}],
    "earlier": ["Not met: It is whole.\napi/limits.py:12: the 429 has no Retry-After."],
    "proven": ["The check succeeds: `pytest -q` ends with exit code 0"],
    "files": " api/limits.py | 20 ++++++\n uv.lock | 9000 ++++++",
    "difference": "diff --git a/api/limits.py b/api/limits.py\n+LIMIT = 100",
    "hidden": ("uv.lock",),
    "criteria": ("It is whole.", "It is right."),
}


def snapshots() -> dict[str, str]:
    """What models are told, by the name of the file that keeps it."""
    found = {
        "first.md": _told(opening(FIRST, "Agent API", ["CRUD", "validation"])),
        "program.md": _told(opening(FIRST, "Agent API", ["CRUD"], program=True)),
        "later.md": _told(opening(LATER, "Implementer", ["algorithms"])),
        "review.md": _role(AGENTS["validator"], reviewing=True) + prompts.render("review", REVIEW),
    }
    return found | {f"role-{name}.md": _role(spec) for name, spec in AGENTS.items()}


def _role(spec: AgentSpec, *, reviewing: bool = False) -> str:
    role = {"title": spec.title, "capabilities": spec.abilities(1)}
    return prompts.render(
        prompts.role(spec.name), {**role, "reviewing": reviewing, "program": False}
    )


def versions() -> str:
    """Each template with its version and the beginning of its hash."""
    lines = []
    for name in sorted(prompts.names()):
        digest = hashlib.sha256((prompts.FOLDER / f"{name}.md").read_bytes()).hexdigest()
        lines.append(f"{name} {prompts.version(name)} {digest[:12]}\n")
    return "".join(lines)


def _told(messages: list[Message]) -> str:
    return "\n".join(f"[{each.role}]\n{each.text}" for each in messages)


def main() -> None:
    SNAPSHOTS.mkdir(exist_ok=True)
    for name, text in snapshots().items():
        (SNAPSHOTS / name).write_text(text, encoding="utf-8")
    VERSIONS.write_text(versions(), encoding="utf-8")


if __name__ == "__main__":
    main()
