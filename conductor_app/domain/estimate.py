"""How far the work is, and when it will be over: progress, document 000's ETA, history."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from conductor_app.domain import graph


@dataclass(frozen=True, slots=True)
class Count:
    """The parts of a phase (its tasks and milestones), and how many of them are done."""

    total: int
    done: int


def progress(count: Count) -> float:
    """The fraction that is done; a phase without parts has nothing left to do."""
    return count.done / count.total if count.total else 1.0


def overall(counts: Iterable[Count]) -> float:
    """The mean of the phases' progress, each weighted by its parts; 0 when there are none."""
    known = list(counts)
    total = sum(each.total for each in known)
    return sum(each.done for each in known) / total if total else 0.0


def completion(started_at: float, now: float, overall_progress: float) -> float | None:
    """Document 000's estimate of when it is over (any one unit of time); None at no progress."""
    if overall_progress <= 0:
        return None
    elapsed = now - started_at
    total_estimated = elapsed / overall_progress
    remaining = total_estimated - elapsed
    return now + remaining


@dataclass(frozen=True)
class History:
    """How long attempts that succeeded took, in seconds."""

    of_task: Mapping[str, Sequence[float]] = field(default_factory=dict)
    of_agent: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Work:
    """A task to estimate; `expected` is what its agent's specification says, in seconds, or with
    `told` the agent itself of an attempt that runs."""

    key: str
    agent: str
    phase: int
    milestone: str | None
    needs: tuple[str, ...]
    expected: float
    # Seconds that it has been running; None when it is not, and it is done when `done`.
    running_for: float | None = None
    done: bool = False
    told: bool = False


@dataclass(frozen=True, slots=True)
class TaskEstimate:
    """Seconds; `source` says what the estimate rests on: task, agent, told or specification."""

    seconds: float
    remaining: float
    source: str


@dataclass(frozen=True)
class Estimates:
    """Seconds of work left: by task, by phase, until each milestone, and for everything."""

    tasks: dict[str, TaskEstimate]
    milestones: dict[str, float]
    phases: dict[int, float]
    project: float
    # What is left of the longest way through every phase: no number of workers ends sooner.
    critical_path: tuple[str, ...]


def task_estimate(work: Work, history: History) -> TaskEstimate:
    """From earlier attempts at the same task, else of the same agent, else what is expected."""
    known = history.of_task.get(work.key), history.of_agent.get(work.agent)
    seconds, source = work.expected, "told" if work.told else "specification"
    for durations, name in zip(known, ("task", "agent"), strict=True):
        if durations:
            seconds, source = median(durations), name
            break
    remaining = 0.0 if work.done else max(0.0, seconds - (work.running_for or 0.0))
    return TaskEstimate(seconds, remaining, source)


def estimates(works: Sequence[Work], history: History) -> Estimates:
    """What is left: phases come one after the other, each is as long as its critical path."""
    tasks = {work.key: task_estimate(work, history) for work in works}
    left = {key: each.remaining for key, each in tasks.items()}
    by_phase: dict[int, list[Work]] = {}
    for work in works:
        by_phase.setdefault(work.phase, []).append(work)
    milestones: dict[str, float] = {}
    phases: dict[int, float] = {}
    path: list[str] = []
    for number, members in sorted(by_phase.items()):
        needs = _within(members)
        for name, ends in _milestones(members, needs, left).items():
            milestones[name] = sum(phases.values()) + ends
        longest = graph.critical_path(left, needs)
        phases[number] = longest.length
        path += [key for key in longest.tasks if left[key] > 0]
    return Estimates(tasks, milestones, phases, sum(phases.values()), tuple(path))


def _within(works: Sequence[Work]) -> dict[str, list[str]]:
    """The graph of these tasks among themselves."""
    keys = {work.key for work in works}
    return {work.key: [need for need in work.needs if need in keys] for work in works}


def _milestones(
    works: Sequence[Work], needs: graph.Needs, left: Mapping[str, float]
) -> dict[str, float]:
    """By milestone, the longest way to the last of its tasks."""
    ends: dict[str, float] = {}
    for key in graph.order(needs):
        ends[key] = left[key] + max((ends[need] for need in needs[key]), default=0.0)
    found: dict[str, float] = {}
    for work in works:
        if work.milestone:
            found[work.milestone] = max(found.get(work.milestone, 0.0), ends[work.key])
    return found
