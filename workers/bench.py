"""The bench a commit is judged on: its clean checkout, environment and services, for all checks."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conductor_app import masking
from conductor_app.domain.workflow import Check, RubricCheck, Workflow, given_setup
from workers import docker
from workers.environment import Environment, SetupFailed, prepare
from workers.extensions import Extensions
from workers.requirements import require
from workers.sandbox import CommandResult, Limits, Sandbox
from workers.services import RunningService, ServiceFailed, Services
from workers.workspace import Repository

if TYPE_CHECKING:
    from workers.checks.result import Outcome

    Reviewer = Callable[[RubricCheck, "Bench"], Outcome]

OPERATOR_PREFIX = "CONDUCTOR_CHECK_"
# A function of the entry point group `conductor.checks`, called as function(bench, **arguments);
# what it may return is in workers/checks/python.py.
RegisteredCheck = Callable[..., object]


def never() -> bool:
    return False


def registered_checks() -> Extensions[RegisteredCheck]:
    """The functions that checks of kind python may name besides those built in."""
    return Extensions("conductor.checks")


@dataclass
class Bench:
    """What the checks of one judging share. Nothing is prepared or started before a check needs it.

    `variables` are the operator's: what `${env.NAME}` may name besides a service's own environment.
    `artifacts` is where full logs go; it must outlive the judging.
    """

    checkout: Path
    commit: str
    tree: str
    workflow: Workflow
    sandbox: Sandbox
    home: Path
    artifacts: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    # Of the execution.
    inputs: Mapping[str, Any] = field(default_factory=dict)
    registry: Extensions[RegisteredCheck] = field(default_factory=registered_checks)
    cancelled: Callable[[], bool] = never
    # Who judges by criteria; None where nobody does.
    reviewer: "Reviewer | None" = None

    def __post_init__(self) -> None:
        self.artifacts.mkdir(parents=True, exist_ok=True)
        self._logs = count(1)

    @cached_property
    def _prepared(self) -> Environment | SetupFailed | None:
        """Prepared once, and failed once: a setup that fails is not tried again for every check."""
        setup = given_setup(self.workflow.setup, self.inputs)
        if setup is None:
            return None
        try:
            return prepare(
                setup,
                self.checkout,
                home=self.home,
                sandbox=self.sandbox,
                variables=self.variables,
                cancelled=self.cancelled,
            )
        except SetupFailed as failure:
            return failure

    @property
    def environment(self) -> Environment | None:
        """The project's environment, prepared on first use; None without a `setup`.

        Raises SetupFailed.
        """
        if isinstance(self._prepared, SetupFailed):
            raise self._prepared
        return self._prepared

    @cached_property
    def services(self) -> Services:
        return Services(
            self.workflow.services,
            checkout=self.checkout,
            sandbox=self.sandbox,
            variables=self.environment_variables(),
            readable=self.environment_paths(),
            home=self.home,
            logs=self.artifacts,
            cancelled=self.cancelled,
        )

    def service(self, check: Check) -> RunningService | None:
        """The running service that the check names, if it names one. Raises ServiceFailed."""
        return self.services.running(check.service) if check.service else None

    def required_service(self, check: Check) -> RunningService:
        """The running service of a check that can't do without one. Raises ServiceFailed."""
        running = self.service(check)
        if running is None:
            raise ServiceFailed(
                f"Check {check.name!r} names no service; say `service: NAME`, one of: "
                f"{', '.join(sorted(self.workflow.services)) or 'none is declared'}."
            )
        return running

    def environment_variables(self) -> dict[str, str]:
        return self.environment.variables(self.sandbox.path) if self.environment else {}

    def check_variables(self, check: Check) -> dict[str, str]:
        """What `${env.NAME}` means for a check: the operator's variables, then the service's."""
        service = self.service(check)
        if service is None:
            return dict(self.variables)
        return {**self.variables, **service.variables, "SERVICE_URL": service.url}

    def require(self, check: Check) -> None:
        """Raises MeansAbsent when a program that the check declares is not there."""
        if check.requires:
            require(check.requires, self.environment_variables().get("PATH", self.sandbox.path))

    def run(
        self, argv: list[str], check: Check, *, env: Mapping[str, str] | None = None
    ) -> CommandResult:
        """Runs a command of the check in the checkout; it finds the environment and its service."""
        service = self.service(check)
        return self.sandbox.run(
            argv,
            cwd=self.checkout,
            env={**self.environment_variables(), **self.check_variables(check), **(env or {})},
            limits=Limits(seconds=check.timeout),
            readable=self.environment_paths(),
            writable=self._sockets(check),
            loopback_port=service.port if service else None,
            cancelled=self.cancelled,
        )

    def write_log(self, name: str, text: str) -> Path:
        """Keeps a full log among the artifacts."""
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "check"
        path = self.artifacts / f"check-{next(self._logs):03}-{slug}.log"
        path.write_text(masking.words(text), encoding="utf-8", errors="replace")
        return path

    def close(self) -> None:
        """Stops the services."""
        if "services" in vars(self):
            self.services.close()

    def environment_paths(self) -> list[Path]:
        return [self.environment.path] if self.environment else []

    def _sockets(self, check: Check) -> list[Path]:
        """Only a check that declares docker reaches the Docker daemon."""
        return [docker.SOCKET] if "docker" in check.requires and docker.SOCKET.exists() else []


@contextmanager
def open_bench(
    repository: Repository,
    commit: str,
    *,
    workflow: Workflow,
    sandbox: Sandbox,
    home: Path,
    artifacts: Path,
    variables: Mapping[str, str] | None = None,
    inputs: Mapping[str, Any] | None = None,
    cancelled: Callable[[], bool] = never,
    reviewer: "Reviewer | None" = None,
) -> Iterator[Bench]:
    """A bench on a clean checkout of the commit; services stop and the checkout goes at the end."""
    with repository.checkout(commit) as checkout:
        bench = Bench(
            checkout=checkout,
            commit=commit,
            tree=repository.tree(commit),
            workflow=workflow,
            sandbox=sandbox,
            home=home,
            artifacts=artifacts,
            variables=variables or {},
            inputs=inputs or {},
            cancelled=cancelled,
            reviewer=reviewer,
        )
        try:
            yield bench
        finally:
            bench.close()


def operator_variables(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What the operator gives to checks on purpose: CONDUCTOR_CHECK_X becomes `${env.X}`."""
    return {
        name.removeprefix(OPERATOR_PREFIX): value
        for name, value in environment.items()
        if name.startswith(OPERATOR_PREFIX)
    }
