"""The recordings of project-conductor, played with the real tools, git and checks, build it.

One playthrough serves all tests: the recorded tasks in waves, each wave from the same tip, as tasks
that run at the same time start; every attempt judged on its commit, every phase on the tip.
"""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests

from conductor_app import catalog, recordings
from conductor_app.domain.states import Verdict
from conductor_app.domain.workflow import Check, PhaseSpec, PlannedTask, Workflow
from conductor_app.ids import new_id
from conductor_app.workflows import loader
from tests.fakes.attempts import agent_task
from workers.agents.base import AgentContext, AgentTask
from workers.agents.connector_agent import ConnectorAgent
from workers.bench import open_bench
from workers.checks import CheckResult, judge
from workers.connectors import open_connector
from workers.sandbox import Sandbox
from workers.workspace import Integrated, Repository

NAME = "project-conductor"
BRANCH = "conductor/recorded"
IGNORED = "__pycache__/\n*.db\n.pytest_cache/\n.conductor/\n"
RECORDED = recordings.recorded_attempts(NAME)
RECORDED_PHASES = (0, 1)
FAILS_AT_FIRST = "1/crud-api"


@dataclass
class Playthrough:
    """What came of each attempt (by task and number) and of each phase (by place of the checks)."""

    workflow: Workflow
    repository: Repository
    home: Path
    sandbox: Sandbox = field(default_factory=lambda: Sandbox.detect("auto"))
    attempts: dict[tuple[str, int], list[CheckResult]] = field(default_factory=dict)
    phases: dict[str, list[CheckResult]] = field(default_factory=dict)
    missing: dict[str, list[str]] = field(default_factory=dict)

    @property
    def tip(self) -> str:
        return self.repository.tip(BRANCH)

    def play(self) -> None:
        plan = [t for t in self.workflow.plan(catalog.AGENTS) if t.key in RECORDED]
        for phase in self.workflow.phases:
            waiting = [task for task in plan if task.phase == phase.number]
            if not waiting:
                return
            done: set[str] = set()
            while waiting:
                wave = [t for t in waiting if not {n for n in t.needs if n in RECORDED} - done]
                self._play_wave(wave)
                done |= {task.key for task in wave}
                waiting = [task for task in waiting if task not in wave]
            self._judge_phase(phase)

    def _play_wave(self, wave: Sequence[PlannedTask]) -> None:
        base = self.tip
        for task in wave:
            for failures in range(len(RECORDED[task.key])):
                commit = self._attempt(task, failures, base)
            trailers = {"Conductor-Task": task.key}
            integrated = self.repository.integrate(
                BRANCH, commit, base=base, trailers=trailers, still_valid=lambda: True
            )
            assert isinstance(integrated, Integrated), (task.key, integrated)

    def _attempt(self, task: PlannedTask, failures: int, base: str) -> str:
        attempt_id = new_id()
        artifacts = self.home / "artifacts" / attempt_id
        artifacts.mkdir(parents=True)
        with self.repository.worktree(attempt_id, base) as worktree:
            context = AgentContext(
                worktree=worktree.path,
                sandbox=self.sandbox,
                connector=open_connector("replay", workflow=NAME, task=task.key, failures=failures),
                log=lambda line: None,
                cancelled=lambda: False,
                deadline=time.monotonic() + task.spec.timeout,
                artifacts=artifacts,
            )
            agent = ConnectorAgent(self.workflow.agent(task.agent, catalog.AGENTS))
            result = agent.perform_task(self._as_agent_sees(task, failures), context)
            commit = worktree.commit(result.summary, {"Conductor-Task": task.key})
            worktree.publish(f"refs/conductor/attempts/{attempt_id}")
            self.missing[task.key] = [
                path for path in task.spec.produces if not (worktree.path / path).is_file()
            ]
        self.attempts[task.key, failures + 1] = self._judge(task.spec.checks, commit, artifacts)
        return commit

    def _as_agent_sees(self, task: PlannedTask, failures: int) -> AgentTask:
        return agent_task(
            task.key,
            workflow=NAME,
            phase_name=self.workflow.phases[task.phase].name,
            agent=task.agent,
            title=task.spec.title,
            prompt=task.spec.prompt,
            failures=failures,
        )

    def _judge_phase(self, phase: PhaseSpec) -> None:
        places = {f"milestone {m.key}": m.checks for m in phase.milestones}
        places |= {"exit criteria": phase.exit_criteria, "tests": phase.tests}
        for place, checks in places.items():
            name = f"phase {phase.number}, {place}"
            self.phases[name] = self._judge(checks, self.tip, self.home / "artifacts" / new_id())

    def _judge(self, checks: Sequence[Check], commit: str, artifacts: Path) -> list[CheckResult]:
        with open_bench(
            self.repository,
            commit,
            workflow=self.workflow,
            sandbox=self.sandbox,
            home=self.home,
            artifacts=artifacts,
        ) as bench:
            return judge(checks, bench)


def git(folder: Path, *arguments: str) -> None:
    person = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
    subprocess.run(["git", *person, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def played() -> Iterator[Playthrough]:
    root = Path(tempfile.mkdtemp(prefix="conductor-recordings-"))
    project = root / "project"
    project.mkdir()
    (project / "README.md").write_text("# Demo\n")
    (project / ".gitignore").write_text(IGNORED)
    git(project, "init", "--quiet")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message", "Start")
    repository = Repository.open(str(project), root / "home")
    repository.create_branch(BRANCH, repository.resolve("HEAD"))
    playthrough = Playthrough(loader.load(NAME).workflow, repository, root / "home")
    playthrough.play()
    yield playthrough
    shutil.rmtree(root)


def failed(results: Sequence[CheckResult]) -> list[str]:
    return [f"{r.name}: {r.message}" for r in results if r.verdict is Verdict.FAILED]


def problems(judged: Mapping[str, Sequence[CheckResult]]) -> dict[str, list[str]]:
    return {name: failed(results) for name, results in judged.items() if failed(results)}


def test_every_task_of_the_recorded_phases_is_recorded() -> None:
    workflow = loader.load(NAME).workflow
    plan = workflow.plan(catalog.AGENTS)
    assert {task.key for task in plan if task.phase in RECORDED_PHASES} == set(RECORDED)


def test_the_bundled_workflow_has_no_problems() -> None:
    assert loader.check(NAME) == []


def test_every_recording_says_that_people_wrote_it() -> None:
    for task, attempts in RECORDED.items():
        for attempt in attempts:
            file = recordings.recording_file(NAME, task, attempt)
            header = recordings.read_recording(file).header
            assert (header.author, header.note) == ("people", "written by people, not by a model")


def test_the_last_recorded_attempt_of_each_task_passes_its_checks(played: Playthrough) -> None:
    judged = {task: played.attempts[task, attempts[-1]] for task, attempts in RECORDED.items()}
    assert all(judged.values())
    assert problems(judged) == {}


def test_only_the_attempt_that_is_meant_to_fail_is_followed_by_another(played: Playthrough) -> None:
    assert {task for task, attempts in RECORDED.items() if attempts != (1,)} == {FAILS_AT_FIRST}
    (problem,) = failed(played.attempts[FAILS_AT_FIRST, 1])
    assert problem.startswith("Pages follow each other without gap or overlap")


def test_every_file_that_a_task_promises_is_made(played: Playthrough) -> None:
    assert played.missing == {task: [] for task in RECORDED}


def test_milestones_exit_criteria_and_phase_tests_pass_on_the_tip(played: Playthrough) -> None:
    phases = [phase for phase in played.workflow.phases if phase.number in RECORDED_PHASES]
    assert len(played.phases) == sum(len(phase.milestones) + 2 for phase in phases)
    assert problems(played.phases) == {}


def test_the_branch_has_one_commit_per_task(played: Playthrough) -> None:
    commits = played.repository.log(BRANCH, "HEAD")
    assert sorted(commit.trailers["Conductor-Task"] for commit in commits) == sorted(RECORDED)


def test_the_built_service_answers(played: Playthrough) -> None:
    with open_bench(
        played.repository,
        played.tip,
        workflow=played.workflow,
        sandbox=played.sandbox,
        home=played.home,
        artifacts=played.home / "artifacts" / "service",
    ) as bench:
        url = bench.services.running("api").url + "/api/v1/requirements"
        made = requests.post(url, json={"title": "Sign in"}, headers={"X-Actor": "ada"}, timeout=5)
        assert made.status_code == 201
        identifier = made.json()["data"]["id"]
        trail = requests.get(f"{url}/{identifier}/audit", timeout=5).json()["data"]
        assert [(entry["actor"], entry["action"]) for entry in trail] == [("ada", "created")]
