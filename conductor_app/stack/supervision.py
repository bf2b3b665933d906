"""Supervisor's configuration for the programs of the stack, and starting it detached."""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from conductor_app.errors import ConductorError
from conductor_app.places import socket_directory
from conductor_app.settings import Settings
from conductor_app.stack.leftovers import MARKER
from conductor_app.stack.programs import Program

# Longer than any program needs between its death and its next life when it dies again and again:
# supervisor waits one second more after each failed start.
START_RETRIES = 1000


class StackProblem(ConductorError):
    """The embedded stack did not start."""

    code = "stack_problem"


def supervisor_socket(home: Path) -> Path:
    return socket_directory(home) / "supervisor.sock"


def configuration(home: Path, programs: Sequence[Program]) -> str:
    """Supervisor's configuration; its paths are relative to the home, where supervisor runs.

    It fills in `%` more than once, so a home with one in its path could not be written at all.
    """
    return "\n".join([_supervisor_section(home), *map(_program_section, programs)])


def start_supervisor(settings: Settings, programs: Sequence[Program]) -> None:
    """Start the programs under a supervisor detached from this process. Raises StackProblem."""
    path = settings.places.run / "supervisor.conf"
    path.write_text(configuration(settings.home, programs))
    command = [sys.executable, "-P", "-m", "supervisor.supervisord", "--configuration", str(path)]
    started = subprocess.run(
        command,
        env=child_environment(settings),
        cwd=settings.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    if started.returncode:
        raise StackProblem(
            f"The supervisor of Conductor's processes did not start: {started.stdout.strip()} "
            f"Its log is {settings.places.logs / 'supervisor.log'}."
        )


def child_environment(settings: Settings) -> dict[str, str]:
    """What the programs see: this environment (with its keys for models) and these settings."""
    environment = {**os.environ, **settings.environment(), MARKER: str(settings.home)}
    if settings.flower:
        environment["FLOWER_BASIC_AUTH"] = f"conductor:{settings.api_token()}"
    return environment


def _supervisor_section(home: Path) -> str:
    return f"""\
[supervisord]
identifier = conductor
logfile = logs/supervisor.log
logfile_maxbytes = 5MB
logfile_backups = 2
pidfile = run/supervisor.pid
childlogdir = logs
umask = 077

[unix_http_server]
file = {supervisor_socket(home)}
chmod = 0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""


def _program_section(program: Program) -> str:
    return f"""\
[program:{program.name}]
command = {_escaped(shlex.join(program.command))}
priority = {program.order}
autorestart = true
startsecs = 1
startretries = {START_RETRIES}
stopwaitsecs = {program.stop_seconds}
killasgroup = true
stdout_logfile = logs/{program.name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 3
redirect_stderr = true
"""


def _escaped(value: str) -> str:
    return value.replace("%", "%%")
