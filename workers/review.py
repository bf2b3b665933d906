"""Reviews, for checks of kind `rubric`: a model judges what was changed, in a schema's words.

The judge is never the author: it is told what was asked for and what was changed, and nothing of
how that came about. Where no verdict is to be had, that says nothing about the work.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from platform import node
from typing import Any

from sqlalchemy import Row

from conductor_app import connector_settings
from conductor_app.catalog import AGENTS
from conductor_app.domain.states import NEED_MET, TaskState
from conductor_app.domain.workflow import AgentSpec, RubricCheck, given_checks, render
from conductor_app.domain.workflow_plan import full_key
from conductor_app.engine.claim import Claim
from conductor_app.errors import InvalidSettings
from conductor_app.recordings import REVIEWS, recorded_review, root_of, roots_of
from conductor_app.store import tasks
from conductor_app.views.connectors import REPLAY, reviewing
from workers import opinion, prompts
from workers.bench import Bench
from workers.checks.description import described
from workers.checks.result import Outcome
from workers.connectors import open_connector
from workers.connectors.base import Model
from workers.failures import AttemptFailed, FailureKind
from workers.git.difference import Difference, difference
from workers.held import Held
from workers.means import MeansAbsent
from workers.metering import Meter
from workers.opinion import Finding, Garbled, Opinion
from workers.paying import paid_turn
from workers.turns import Message, ToolResult, Turn, Usage
from workers.workshop import Workshop
from workers.workspace import Repository

# Of the difference a reviewer is shown so many characters.
SHOWN = 200_000
# How often it is asked for a verdict that can be read.
TRIES = 3


@dataclass
class Reviewer:
    """Reviews for one check run; what its calls cost is spent in the name of that job."""

    workshop: Workshop
    claim: Claim
    held: Held

    def __call__(self, check: RubricCheck, bench: Bench) -> Outcome:
        """Raises MeansAbsent without a key; AttemptFailed where there is no verdict."""
        agent = self.claim.workflow.agent(check.agent, AGENTS)
        name = self._connector(agent)
        asked_for = self._work(check)
        work = [row for row in asked_for if row.status != TaskState.SKIPPED]
        if asked_for and not work:
            skipped = ", ".join(row.key for row in asked_for)
            return Outcome(True, f"{skipped}: skipped by a person, so there is nothing to review")
        material = self._material(check, bench, work)
        if name == REPLAY:
            return _outcome(check, agent, self._recorded(check, bench), material)
        asked = _Asked(check.criteria, self._opening(agent, check, work, material))
        model = self._model(name, agent, check, work)
        try:
            found = self._ask(asked, model, self._spender(agent, work))
        finally:
            log = bench.write_log(f"review {check.name}", asked.transcript())
        return _outcome(check, agent, found, material, log)

    def _recorded(self, check: RubricCheck, bench: Bench) -> "_Found":
        workflow = self.claim.workflow.name
        roots = roots_of(self.workshop.conductor.settings)
        found = (recorded_review(workflow, check.name, bench.tree, root) for root in roots)
        line = next((each for each in found if each is not None), None)
        if line is None or [each.criterion for each in line.criteria] != list(check.criteria):
            raise AttemptFailed(
                FailureKind.RECORDING_MISMATCH,
                f"The review {check.name!r} of the tree {bench.tree[:12]} is not recorded in "
                f"{roots[0] / workflow / REVIEWS}. Record the run again, or bring back what has "
                "changed since.",
                retryable=False,
            )
        findings = (Finding(each.criterion, each.met, each.reason) for each in line.criteria)
        return _Found(Opinion(tuple(findings), line.notes), line.model, REPLAY)

    def _connector(self, agent: AgentSpec) -> str:
        default = self.workshop.conductor.settings.default_connector
        return reviewing(agent, self.claim.connector, default)

    def _work(self, check: RubricCheck) -> Sequence[Row[Any]]:
        """The tasks whose work is reviewed, the one that would be opened again first."""
        claim = self.claim
        if check.task is not None:
            key = full_key(claim.phase, check.task)
            row = self.workshop.patience.read(lambda tx: tasks.current(tx, claim.execution_id, key))
            return [row] if row is not None else []
        milestone = claim.payload.get("milestone")
        every = self.workshop.patience.read(lambda tx: tasks.all_current(tx, claim.execution_id))
        done = [row for row in every if row.status in NEED_MET and row.phase <= claim.phase]
        here = [row for row in done if row.phase == claim.phase]
        # A phase without tasks of its own judges what all before it have done.
        found = [row for row in here if milestone in (None, row.milestone)] or done
        if not found:
            raise MeansAbsent(
                f"{check.name}: no task comes before it, so there is nothing to review"
            )
        return found

    def _material(self, check: RubricCheck, bench: Bench, work: Sequence[Row[Any]]) -> Difference:
        claim = self.claim
        if not bench.commit or claim.base_commit is None:
            raise MeansAbsent(
                f"{check.name}: there is no repository, so there is nothing to be reviewed."
            )
        repository = Repository.open(claim.location, self.workshop.conductor.settings.home)
        return difference(repository.git, claim.base_commit, bench.commit, SHOWN)

    def _opening(
        self,
        agent: AgentSpec,
        check: RubricCheck,
        work: Sequence[Row[Any]],
        material: Difference,
    ) -> list[Message]:
        claim = self.claim
        specs = [claim.workflow.task(row.key) for row in work]
        role = {
            "title": agent.title or agent.name,
            "capabilities": agent.abilities(claim.phase),
            "reviewing": True,
            "program": False,
        }
        values = {
            "requests": [
                {"key": row.key, "prompt": render(spec.prompt or spec.title, claim.inputs)}
                for row, spec in zip(work, specs, strict=True)
            ],
            "earlier": [note["detail"] for row in work for note in row.notes if note.get("review")],
            "proven": [
                described(each)
                for spec in specs
                for each in given_checks(spec.checks, claim.inputs)
                if not each.optional
            ],
            "files": material.files,
            "difference": material.text,
            "hidden": material.hidden,
            "criteria": check.criteria,
        }
        return [
            Message("system", prompts.render(prompts.role(agent.name), role)),
            Message("user", prompts.render("review", values)),
        ]

    def _model(
        self, name: str, agent: AgentSpec, check: RubricCheck, work: Sequence[Row[Any]]
    ) -> Model:
        settings = self.workshop.conductor.settings
        self._require_key(name, agent)
        connector = open_connector(
            name,
            workflow=self.claim.workflow.name,
            task=work[0].key if work else "",
            failures=0,
            recordings=root_of(self.claim.workflow.name, self.claim.phase, settings),
            agent=agent,
            settings=settings,
            conversation=self.claim.job_id,
        )
        if not isinstance(connector, Model):
            raise AttemptFailed(
                FailureKind.AGENT_ERROR,
                f"The agent {agent.name} reviews, which takes a model, and {name} is none. "
                "Give it the connector of a model in the workflow.",
                retryable=False,
            )
        connector.limit(self.held.stopped, time.monotonic() + check.timeout)
        return connector

    def _require_key(self, name: str, agent: AgentSpec) -> None:
        """Raises MeansAbsent: an optional review is skipped where nobody can be asked for it."""
        if name not in connector_settings.DEFAULTS:
            return
        try:
            chosen = connector_settings.load(self.workshop.conductor.settings)
            found = chosen.of(name, agent.name).key
        except InvalidSettings as problem:
            raise AttemptFailed(
                FailureKind.CREDENTIALS, problem.message, retryable=False
            ) from problem
        if found is None:
            raise MeansAbsent(
                f"the agent {agent.name} has no key for its connector {name} on {node()}"
            )

    def _spender(self, agent: AgentSpec, work: Sequence[Row[Any]]) -> Claim:
        """The job in an attempt's place, for the ledger."""
        claim = self.claim
        task_id = work[0].id if work else ""
        return replace(claim, attempt_id=claim.job_id, task_id=task_id, agent=agent)

    def _ask(self, asked: "_Asked", model: Model, spender: Claim) -> "_Found":
        meter = Meter(self.workshop.patience, self.workshop.prices, spender)
        used = Usage()
        problem = ""
        for _ in range(TRIES):
            turn = paid_turn(model, meter, asked.messages, [opinion.tool(asked.criteria)])
            used += turn.usage
            if turn.stop == "refused":
                raise AttemptFailed(
                    FailureKind.REFUSED, "Its model refuses to review this.", detail=turn.text
                )
            try:
                said = opinion.read(turn, asked.criteria)
                return _Found(said, turn.model, model.name, used, turn.request_id)
            except Garbled as garbled:
                problem = str(garbled)
                asked.go_on(turn, problem)
        raise AttemptFailed(
            FailureKind.NO_RESULT,
            f"It was asked {TRIES} times and gave no verdict that can be read. The last time it "
            f"was told: {problem}",
        )


@dataclass
class _Asked:
    """A conversation with a reviewer."""

    criteria: Sequence[str]
    messages: list[Message]

    def go_on(self, turn: Turn, problem: str) -> None:
        """The answer was none; it is told why."""
        said = Message("assistant", turn.text, tool_calls=turn.tool_calls, raw=turn.raw)
        results = tuple(ToolResult(call.id, False, problem) for call in turn.tool_calls)
        told = Message("tool", results=results) if results else Message("user", problem)
        # One that only paused goes on with its own words last.
        self.messages += [said] if turn.stop == "paused" else [said, told]

    def transcript(self) -> str:
        return "\n\n".join(f"[{each.role}]\n{each.text}" for each in self.messages if each.text)


@dataclass(frozen=True)
class _Found:
    opinion: Opinion
    model: str
    connector: str
    usage: Usage = field(default_factory=Usage)
    request_id: str | None = None


def _outcome(
    check: RubricCheck,
    agent: AgentSpec,
    found: _Found,
    material: Difference,
    log: Path | None = None,
) -> Outcome:
    """Of a review; the `log` of one that was played from a recording is with that."""
    said = found.opinion
    passed = said.score >= check.threshold
    met = f"{len(said.findings) - len(said.unmet)} of {len(said.findings)} criteria are met"
    unseen = f"; {len(material.hidden)} files were too long to be seen" if material.hidden else ""
    worst = f": {said.unmet[0].reason}" if said.unmet else ""
    return Outcome(
        passed,
        f"{agent.title or agent.name} ({found.model}): {met}{unseen}{worst}",
        {
            "agent": agent.name,
            "connector": found.connector,
            "model": found.model,
            "prompt": prompts.versions(prompts.role(agent.name), "review"),
            "criteria": [
                {"criterion": each.criterion, "met": each.met, "reason": each.reason}
                for each in said.findings
            ],
            "notes": said.notes,
            "score": round(said.score, 3),
            "threshold": check.threshold,
            "unseen": list(material.hidden),
            "request_id": found.request_id,
            "usage": {
                "input_tokens": found.usage.input_tokens,
                "output_tokens": found.usage.output_tokens,
                "cost_nano_usd": found.usage.cost_nano_usd,
            },
            # What the author is told if the work goes back.
            "log": said.words,
            "log_path": str(log) if log else None,
        },
    )
