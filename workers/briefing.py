"""What an attempt's agent is told about its task, its project, and what was learnt before."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from conductor_app.domain.workflow import TaskSpec, given_checks, render
from conductor_app.engine.claim import Claim
from conductor_app.views import lessons
from workers.agents.base import AgentTask
from workers.checks.description import described
from workers.confinement import OutsideCheckout, inside
from workers.patience import Patience
from workers.workspace import Worktree

# What a project says of itself to those who work on it: the first of these that is there.
GUIDES = ("AGENTS.md", "CLAUDE.md", "CONVENTIONS.md", "CONTRIBUTING.md")
GUIDE_LENGTH = 8_000
LESSONS = 10
LESSON_LENGTH = 500
MAP_LINES = 150
COMMITS = 10


def task_of(claim: Claim, spec: TaskSpec) -> AgentTask:
    """The task as its agent gets it; `spec` has its checks and its title filled in."""
    phase = claim.workflow.phase(claim.phase)
    milestones = [each for each in phase.milestones if each.key == spec.milestone]
    later = [check for each in milestones for check in each.checks]
    later += [*phase.exit_criteria, *phase.tests]
    return AgentTask(
        id=claim.task_id,
        key=claim.task_key,
        execution_id=claim.execution_id,
        workflow=claim.workflow.name,
        phase=claim.phase,
        phase_name=phase.name,
        goal=phase.goal,
        agent=claim.agent.name if claim.agent else "",
        title=spec.title,
        prompt=render(spec.prompt, claim.inputs),
        produces=spec.produces,
        checks=[described(each) for each in spec.checks],
        later_checks=[described(each) for each in given_checks(later, claim.inputs)],
        timeout=spec.timeout,
        failures=claim.failures,
        context={"notes": list(claim.notes)} if claim.notes else {},
        inputs=claim.inputs,
    )


def surroundings(patience: Patience, claim: Claim, worktree: Worktree | None) -> Mapping[str, Any]:
    """What a model should know besides its task, by heading; what is not known is left out."""
    agent = claim.agent.name if claim.agent else ""
    learnt = patience.read(
        lambda tx: lessons.relevant(tx, claim.project_id, agent, claim.phase, LESSONS)
    )
    told = {
        "lessons": _lessons(each for each in learnt if each["category"] != "pattern"),
        "patterns": _lessons(each for each in learnt if each["category"] == "pattern"),
    }
    if worktree is not None:
        told["project"] = _project(claim, worktree)
        told["map"] = mapped(_files(worktree))
    return {heading: said for heading, said in told.items() if said}


def mapped(files: Sequence[str]) -> list[str]:
    """The files, or where those are too many their directories, with how many each holds."""
    deepest = max((path.count("/") for path in files), default=0)
    for depth in range(deepest, -1, -1):
        lines = _down_to(files, depth)
        if len(lines) <= MAP_LINES:
            return lines
    return [*lines[:MAP_LINES], f"... and {len(lines) - MAP_LINES:,} more"]


def _down_to(files: Sequence[str], depth: int) -> list[str]:
    counts: dict[str, int] = {}
    for path in sorted(files):
        parts = path.split("/")
        shown = path if len(parts) <= depth + 1 else "/".join(parts[: depth + 1]) + "/"
        counts[shown] = counts.get(shown, 0) + 1
    return [
        f"{path} ({count:,} files)" if path.endswith("/") and count > 1 else path
        for path, count in counts.items()
    ]


def _files(worktree: Worktree) -> list[str]:
    return [path for path in worktree.git.run("ls-files", "-z").split("\0") if path]


def _project(claim: Claim, worktree: Worktree) -> list[str]:
    commits = worktree.git.run("log", f"--max-count={COMMITS}", "--format=%s", "HEAD").splitlines()
    told = [f"Workflow: {claim.workflow.title}. {claim.workflow.description}".strip()]
    for name in GUIDES:
        if guide := _text(worktree.path, name):
            told.append(f"{name} says how this project works:\n\n{guide}")
            break
    # Last: they are others with every task.
    if commits:
        told.append("The last commits:\n" + "\n".join(f"- {each[:100]}" for each in commits))
    return told


def _text(root: Path, name: str) -> str:
    try:
        file = inside(root, name)
    except OutsideCheckout:
        return ""
    if not file.is_file():
        return ""
    with file.open(encoding="utf-8", errors="replace") as opened:
        text = opened.read(GUIDE_LENGTH + 1)
    cut = text[:GUIDE_LENGTH].rstrip()
    return f"{cut}\n[... the rest is in {name}]" if len(text) > GUIDE_LENGTH else cut


def _lessons(learnt: Iterable[Mapping[str, Any]]) -> list[str]:
    """Each once, however many executions have learnt it."""
    return list(dict.fromkeys(map(_lesson, learnt)))


def _lesson(lesson: Mapping[str, Any]) -> str:
    said = lesson["description"].rstrip(".") + "."
    if lesson["actionTaken"]:
        said += f" What was done: {lesson['actionTaken']}"
    line = " ".join(said.split())
    return line if len(line) <= LESSON_LENGTH else f"{line[: LESSON_LENGTH - 4]} ..."
