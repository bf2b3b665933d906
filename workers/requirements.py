"""The means a check needs: programs on its PATH, and for docker a daemon that answers."""

import shutil
import subprocess
from collections.abc import Iterable

from conductor_app.errors import ConductorError

DOCKER_SECONDS = 10

INSTALL = {
    "docker": "Docker (https://docs.docker.com/engine/install/)",
    "node": "Node.js (https://nodejs.org)",
    "npm": "Node.js (https://nodejs.org)",
    "psql": "the PostgreSQL client",
}


class MeansAbsent(ConductorError):
    """Something that the check needs is not on this machine."""

    code = "means_absent"


def require(programs: Iterable[str], path: str) -> None:
    """Raises MeansAbsent, naming what to install, when a program is not on this PATH."""
    for program in programs:
        found = shutil.which(program, path=path)
        if found is None:
            raise MeansAbsent(
                f"{program} is not installed on this worker; install "
                f"{INSTALL.get(program, program)} and run the check again."
            )
        if program == "docker":
            _require_daemon(found)


def _require_daemon(docker: str) -> None:
    """A docker client alone can run nothing."""
    try:
        answer = subprocess.run(
            [docker, "info", "--format", "{{.ServerVersion}}"],
            capture_output=True,
            text=True,
            timeout=DOCKER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MeansAbsent(_no_daemon(str(error))) from error
    if answer.returncode != 0:
        raise MeansAbsent(_no_daemon(answer.stderr.strip().rpartition("\n")[2]))


def _no_daemon(seen: str) -> str:
    return (
        f"The docker client is installed, but no Docker daemon answers ({seen}); start the daemon "
        "or let this worker's user reach its socket."
    )
