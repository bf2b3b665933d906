"""A RabbitMQ server of the tests' own: the installed program, free ports, a fresh directory."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import kombu

# Debian's program on PATH is a wrapper that insists on the package's own user and directories.
PLACES = ("/usr/lib/rabbitmq/bin",)
START_SECONDS = 90


def program() -> str | None:
    """Where rabbitmq-server is; None when it is not installed."""
    path = os.pathsep.join([*PLACES, os.environ.get("PATH", ""), "/usr/sbin"])
    return shutil.which("rabbitmq-server", path=path)


@contextmanager
def running(executable: str) -> Iterator[str]:
    """The URL of a fresh server, which ends with the block."""
    home = Path(tempfile.mkdtemp(prefix="conductor-rabbitmq-", dir="/tmp"))
    ports = _free_ports(3)
    environment = {**os.environ, **_environment(home, ports)}
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [executable], env=environment, stdout=log, stderr=log, start_new_session=True
        )
    url = f"amqp://guest:guest@127.0.0.1:{ports[0]}//"
    try:
        _wait(server, url, home / "server.log")
        yield url
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(60)
        # Erlang's port mapper would outlive the server.
        subprocess.run(["epmd", "-kill"], env=environment, capture_output=True, check=False)
        shutil.rmtree(home, ignore_errors=True)


def _environment(home: Path, ports: Sequence[int]) -> dict[str, str]:
    """Nothing shared with another server on this machine, whatever the machine is called."""
    port, distribution, mapper = map(str, ports)
    return {
        # Here Erlang makes its cookie.
        "HOME": str(home),
        "RABBITMQ_NODENAME": "conductor@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODE_PORT": port,
        "RABBITMQ_DIST_PORT": distribution,
        "ERL_EPMD_PORT": mapper,
        "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_MNESIA_BASE": str(home / "data"),
        "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_PID_FILE": str(home / "pid"),
    }


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [each.getsockname()[1] for each in sockets]


def _wait(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(url):
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(
                f"RabbitMQ did not start:\n{log.read_text(errors='replace')[-3000:]}"
            )
        time.sleep(0.2)


def _answers(url: str) -> bool:
    try:
        with kombu.Connection(url, connect_timeout=5) as connection:
            connection.connect()
            return True
    except OSError:
        return False
