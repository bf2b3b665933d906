"""The machine's Docker: where its daemon listens, and whether it answers."""

import subprocess
from pathlib import Path

from workers.means import MeansAbsent

SOCKET = Path("/var/run/docker.sock")
PROBE_SECONDS = 10


def require_daemon(docker: str) -> None:
    """Raises MeansAbsent when no daemon answers this client: alone it can run nothing."""
    try:
        answer = subprocess.run(
            [docker, "info", "--format", "{{.ServerVersion}}"],
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise no_daemon(str(error)) from error
    if answer.returncode != 0:
        raise no_daemon(answer.stderr.strip().rpartition("\n")[2])


def no_daemon(seen: str) -> MeansAbsent:
    return MeansAbsent(
        f"The docker client is installed, but no Docker daemon answers ({seen}); start the daemon "
        "or let this worker's user reach its socket."
    )
