"""The check `docker.services`: the project's compose services run."""

import json
from collections.abc import Sequence
from typing import Any

from conductor_app import masking
from workers.bench import Bench
from workers.docker import SOCKET, no_daemon
from workers.means import MeansAbsent
from workers.sandbox import CommandResult, Limits

COMPOSE_SECONDS = 30
LOG_TAIL = 2_000
PS = ("docker", "compose", "ps", "--all", "--format", "json")
RUNNING = ("running", "healthy")
# What the client says when it is not the project's fault.
UNREACHABLE = ("cannot connect", "permission denied", "is the docker daemon running")
NO_COMPOSE = ("is not a docker command", "unknown command", "unknown shorthand flag")


def services(bench: Bench, *, services: Sequence[str]) -> dict[str, Any]:
    """The check `docker.services`: these services of the commit's compose file run healthily.

    It only looks: starting what an agent wrote on the machine's Docker is a person's act. Raises
    MeansAbsent when none of them was started.
    """
    result = bench.sandbox.run(
        PS,
        cwd=bench.checkout,
        env=bench.environment_variables(),
        readable=bench.environment_paths(),
        writable=[SOCKET] if SOCKET.exists() else [],
        limits=Limits(seconds=COMPOSE_SECONDS),
        cancelled=bench.cancelled,
    )
    kept = {
        "command": " ".join(PS),
        "exit_code": result.exit_code,
        "log": masking.tail(result.output, LOG_TAIL),
    }
    if result.exit_code != 0:
        return {"passed": False, "message": _explain(result), "evidence": kept}
    states = {each["Service"]: _state(each) for each in containers(result.output)}
    if not states.keys() & set(services):
        raise MeansAbsent(
            f"no container of {', '.join(services)} was started; run `docker compose up --detach "
            "--wait` with the project's compose file, then validate again."
        )
    wrong = [
        f"{name} is {states.get(name, 'not started')}"
        for name in services
        if states.get(name) not in RUNNING
    ]
    message = "; ".join(wrong) or f"{', '.join(services)} run"
    return {"passed": not wrong, "message": message, "evidence": {**kept, "states": states}}


def containers(output: str) -> list[dict[str, Any]]:
    """What `docker compose ps --format json` lists: an array, or (newer) an object a line."""
    text = output.strip()
    if text.startswith("["):
        return list(json.loads(text))
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def _state(container: dict[str, Any]) -> str:
    return str(container.get("Health") or container.get("State") or "in an unknown state")


def _explain(result: CommandResult) -> str:
    """Why the client failed; raises MeansAbsent when the reason is this machine."""
    said = result.output.strip()
    if any(words in said.lower() for words in UNREACHABLE):
        raise no_daemon(said.rpartition("\n")[2])
    if any(words in said.lower() for words in NO_COMPOSE):
        raise MeansAbsent("docker has no `compose` command here; install Docker's compose plugin.")
    return f"`{' '.join(PS)}` failed: {masking.tail(said, LOG_TAIL)}"
