"""The closed set of ways in which a job can end, as its worker reports them."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Usage:
    """What an attempt used: tokens, and money in nano-USD."""

    turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cost_nano_usd: int = 0


NOTHING_USED = Usage()


@dataclass(frozen=True, slots=True)
class Judgement:
    """One check's verdict with its evidence; `role` is task, milestone, exit or test."""

    role: str
    subject: str
    name: str
    kind: str
    verdict: str
    message: str
    evidence: dict[str, Any]
    # The task to open again when this check fails, where the template names one.
    reopens: str | None = None
    # Whether its means are not there: no agent can mend that.
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The attempt did its work and its checks passed; `commit` only when it changed something."""

    summary: str = ""
    commit: str | None = None
    tree: str | None = None
    usage: Usage = NOTHING_USED
    judgements: tuple[Judgement, ...] = ()
    sandbox: str | None = None
    # What took the turns; `function` for an agent written in Python.
    connector: str | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt failed and says how; the retry policy decides what follows."""

    kind: str
    message: str
    detail: str = ""
    retryable: bool = True
    usage: Usage = NOTHING_USED
    judgements: tuple[Judgement, ...] = ()
    sandbox: str | None = None
    # What took the turns; `function` for an agent written in Python.
    connector: str | None = None
    # The ref in the repository where what it did is kept; None when it changed no file.
    kept: str | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """What an agent wants a person to decide; without options any answer will do.

    `call_id` is the call of the tool `ask` that the answer is the result of.
    """

    call_id: str
    text: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suspended:
    """The attempt waits without a worker; the next one goes on where it stopped.

    With a `question` until that is answered; else for `seconds`, or, where nobody knows how long,
    longer each time.
    """

    kind: str
    reason: str
    seconds: float | None = None
    # Whether as many waits in a row as the retry policy allows retries make a failure.
    bounded: bool = True
    # A cap is reached: the execution pauses until a person lets it go on.
    pauses: bool = False
    question: Question | None = None
    usage: Usage = NOTHING_USED
    sandbox: str | None = None
    connector: str | None = None


@dataclass(frozen=True, slots=True)
class Released:
    """The worker is draining and gives the job back at no cost."""


@dataclass(frozen=True, slots=True)
class Integrated:
    """The attempt's commit is on the execution branch."""

    commit: str
    tip: str


@dataclass(frozen=True, slots=True)
class Conflicted:
    """The commit does not merge with what others integrated meanwhile."""

    detail: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """The attempt's commit can't be read any more: the task is done again."""

    detail: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A check run ended; every verdict is there."""

    judgements: tuple[Judgement, ...]
    commit: str | None


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """The execution branch exists and is tagged."""

    commit: str | None
    tag: str
    hooks: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RolledBack:
    """The branch has the tree of the checkpoint again, or is rid of what is done again."""

    tip: str


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The infrastructure failed (git, disk, network), not the work: the job runs again."""

    message: str
    detail: str = ""
    # Nothing will get better by itself: the execution pauses until a person has seen to it.
    critical: bool = False


Outcome = (
    Succeeded
    | Failed
    | Suspended
    | Released
    | Integrated
    | Conflicted
    | Unreadable
    | Judged
    | Checkpointed
    | RolledBack
    | Interrupted
)


@dataclass(frozen=True, slots=True)
class Report:
    """How a job ended; `next_link` is the job that the broker's chain would deliver next."""

    job_id: str
    fence: int
    outcome: Outcome
    attempt_id: str = ""
    next_link: str | None = None
    # Whether the worker would go on with that one at once.
    go_on: bool = False
