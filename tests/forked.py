"""Our programs, started by a process that has imported them and forks, which saves most time.

Each is a process of its own as `python -m` makes it, but for its command line. A suite that
starts hundreds would spend most of its time importing the same modules.
"""

import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NoReturn

import psutil

ROOT = Path(__file__).parents[1]
# What our programs import, and the libraries only when they run. Not what reads the settings.
MODULES = (
    "workers.program",
    "workers.messages",
    "workers.connectors.live",
    "beat.program",
    "beat.tick",
    "conductor_app.asgi",
    "conductor_app.engine.snapshot",
    "conductor_app.store.idempotency",
    "celery.app.amqp",
    "celery.app.control",
    "celery.apps.beat",
    "celery.apps.worker",
    "celery.backends.redis",
    "celery.concurrency.thread",
    "celery.events",
    "celery.fixups.django",
    "celery.loaders.app",
    "celery.worker.consumer",
    "celery.worker.strategy",
    "kombu.transport.redis",
    "psycopg2.extras",
    "sqlalchemy.dialects.postgresql.psycopg2",
    "sqlalchemy.dialects.sqlite.pysqlite",
)


def start(
    module: str, arguments: Sequence[str], environment: Mapping[str, str], *, cwd: Path, log: Path
) -> psutil.Process:
    """`python -P -m module arguments`, its output appended to `log`; no child of this process."""
    wanted = {
        "module": module,
        "arguments": list(arguments),
        "environment": dict(environment),
        "cwd": str(cwd),
        "log": str(log),
    }
    parent = _parent()
    assert parent.stdin is not None and parent.stdout is not None
    parent.stdin.write(json.dumps(wanted) + "\n")
    parent.stdin.flush()
    return psutil.Process(int(parent.stdout.readline()))


@cache
def _parent() -> "subprocess.Popen[str]":
    """The process that forks; it ends with this one, whose end of the pipe is the only one."""
    return subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _serve() -> NoReturn:
    """Fork for every line of standard input, and say the new process's number."""
    gc.disable()
    for name in MODULES:
        importlib.import_module(name)
    gc.freeze()
    gc.enable()
    # Nobody waits for them: what has ended is gone at once.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _become(**json.loads(line))
        print(pid, flush=True)
    sys.exit()


def _become(
    module: str, arguments: list[str], environment: dict[str, str], cwd: str, log: str
) -> NoReturn:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor in (1, 2):
        os.dup2(os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666), descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit()


if __name__ == "__main__":
    _serve()
