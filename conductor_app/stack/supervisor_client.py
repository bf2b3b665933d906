"""Talks with a running supervisor over its Unix socket."""

import http.client
import socket
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ANSWER_SECONDS = 10.0


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=ANSWER_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(ANSWER_SECONDS)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, _host: Any) -> http.client.HTTPConnection:
        return _UnixConnection(self._path)


@dataclass(frozen=True)
class ProgramState:
    """One supervised process: supervisor's word for its state, when it last ended, and why."""

    name: str
    state: str
    pid: int
    stopped: int
    problem: str

    @property
    def runs(self) -> bool:
        return self.state == "RUNNING"

    @property
    def ended(self) -> bool:
        return self.state in ("STOPPED", "EXITED", "FATAL", "BACKOFF")


class SupervisorClient:
    """Commands to one supervisor. Every method raises OSError when it has gone away."""

    def __init__(self, path: Path) -> None:
        self._path = path
        transport = _UnixTransport(path)
        self._call: Any = xmlrpc.client.ServerProxy("http://localhost", transport).supervisor

    def answers(self) -> bool:
        """True when a supervisor listens; a socket that a dead one left behind says False."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self._path))
            except OSError:
                return False
        return True

    def pid(self) -> int:
        return int(self._call.getPID())

    def states(self) -> dict[str, ProgramState]:
        return {
            row["name"]: ProgramState(
                row["name"], row["statename"], row["pid"], row["stop"], row["spawnerr"]
            )
            for row in self._call.getAllProcessInfo()
        }

    def ask_to_stop(self, name: str) -> None:
        """Ask a program to end, without waiting; a program that runs no more is fine."""
        try:
            self._call.stopProcess(name, False)
        except xmlrpc.client.Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise

    def shut_down(self) -> None:
        """Ask it to end everything; one that is at it already is fine."""
        try:
            self._call.shutdown()
        except xmlrpc.client.Fault as fault:
            if "SHUTDOWN_STATE" not in fault.faultString:
                raise
