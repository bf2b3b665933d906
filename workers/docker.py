"""The machine's Docker: where its daemon listens, and whether it answers."""

from pathlib import Path

from conductor_app.stack import docker_daemon
from workers.means import MeansAbsent

SOCKET = Path("/var/run/docker.sock")


def require_daemon(docker: str) -> None:
    """Raises MeansAbsent when no daemon answers this client."""
    try:
        docker_daemon.version(docker)
    except docker_daemon.Silent as silent:
        raise no_daemon(str(silent)) from silent


def no_daemon(seen: str) -> MeansAbsent:
    return MeansAbsent(
        f"The docker client is installed, but no Docker daemon answers ({seen}); start the daemon "
        "or let this worker's user reach its socket."
    )
