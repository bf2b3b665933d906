"""Which port the API gets: the wanted one, or the next that is free."""

import socket

import psutil

from conductor_app.errors import EnvironmentProblem
from conductor_app.settings import Settings

ATTEMPTS = 100


class PortInUse(EnvironmentProblem):
    """The port is in use by another program."""

    code = "port_in_use"


class PortLost(PortInUse):
    """Another program took the port while Conductor was starting. Try again."""

    code = "port_lost"


def choose_port(settings: Settings) -> int:
    """The settings' port if free; the next free one unless somebody chose the port on purpose."""
    if is_free(settings.host, settings.port):
        return settings.port
    if "port" in settings.model_fields_set:
        raise PortInUse(
            f"Port {settings.port} of {settings.host} is in use by another program. "
            "Stop that program, or choose another with --port or CONDUCTOR_PORT; without either "
            "the next free one is taken."
        )
    for port in range(settings.port + 1, settings.port + ATTEMPTS):
        if is_free(settings.host, port):
            return port
    raise PortInUse(
        f"Ports {settings.port} to {port} of {settings.host} are all in use. "
        "Choose a free one with --port or CONDUCTOR_PORT."
    )


def is_free(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        # A server that ended a moment ago leaves the port waiting; that is no other program.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def listens(pid: int, port: int) -> bool:
    """Whether this process has the port."""
    try:
        connections = psutil.Process(pid).net_connections("tcp")
    except psutil.NoSuchProcess:
        return False
    return any(
        each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections
    )
