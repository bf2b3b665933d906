"""The check `docker.services`, with a program in docker's place that says what docker says."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from conductor_app.domain.states import Verdict
from tests.workbench import make_bench, run
from workers.bench import Bench
from workers.checks import CheckResult
from workers.environment import Environment
from workers.sandbox import Sandbox

Ask = Callable[[str, int], CheckResult]
POSTGRES = {"Service": "postgres", "State": "running", "Health": "healthy"}
REDIS = {"Service": "redis", "State": "running", "Health": ""}


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Runs the check while `docker compose ps` prints this and ends with this exit code."""
    bench = make_bench(tmp_path, Sandbox.detect("auto"), setup={"run": "true"})

    def ask(output: str, code: int) -> CheckResult:
        place_docker(bench, tmp_path / "environment", output, code)
        wanted = {"services": ["postgres", "redis"]}
        return run(
            bench,
            "python",
            function="docker.services",
            arguments=wanted,
            optional=True,
            requires=["docker"],
        )

    return ask


def place_docker(bench: Bench, environment: Path, output: str, code: int) -> None:
    """A docker whose daemon answers `info`; found because the project's environment comes first."""
    program = environment / "bin" / "docker"
    program.parent.mkdir(parents=True)
    (environment / "output").write_text(output)
    program.write_text(
        f'#!/bin/sh\n[ "$1" = info ] && exit 0\ncat {environment}/output\nexit {code}\n'
    )
    program.chmod(0o755)
    vars(bench)["_prepared"] = Environment(environment)


@pytest.mark.parametrize(
    "output",
    [
        json.dumps([POSTGRES, REDIS]),
        f"{json.dumps(POSTGRES)}\n{json.dumps(REDIS)}\n",
    ],
)
def test_running_services_pass(ask: Ask, output: str) -> None:
    result = ask(output, 0)
    assert (result.verdict, result.message) == (Verdict.PASSED, "postgres, redis run")
    assert result.evidence["states"] == {"postgres": "healthy", "redis": "running"}


@pytest.mark.parametrize(
    ("output", "code", "message"),
    [
        (json.dumps([POSTGRES]), 0, "redis is not started"),
        (json.dumps([{**POSTGRES, "Health": "unhealthy"}, REDIS]), 0, "postgres is unhealthy"),
        ("yaml: line 3: found a tab", 1, "yaml: line 3: found a tab"),
    ],
)
def test_what_runs_wrong_fails(ask: Ask, output: str, code: int, message: str) -> None:
    result = ask(output, code)
    assert result.verdict is Verdict.FAILED
    assert message in result.message


@pytest.mark.parametrize(
    ("output", "code", "message"),
    [
        ("[]", 0, "no container of postgres, redis was started"),
        ("", 0, "no container of postgres, redis was started"),
        ("Cannot connect to the Docker daemon at unix:///x", 1, "no Docker daemon answers"),
        ("docker: unknown command: docker compose", 1, "install Docker's compose plugin"),
    ],
)
def test_what_is_absent_is_skipped(ask: Ask, output: str, code: int, message: str) -> None:
    result = ask(output, code)
    assert result.verdict is Verdict.SKIPPED
    assert message in result.message
