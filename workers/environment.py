"""The project's `setup`: run once per hash of its command and lockfiles, then shared by all."""

import fcntl
import hashlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conductor_app import masking
from conductor_app.domain.workflow import Setup
from conductor_app.errors import ConductorError
from workers.command_line import argv, shown
from workers.confinement import inside
from workers.git.removal import remove_tree
from workers.sandbox import CommandResult, Limits, Sandbox

POLL_SECONDS = 0.1
LOG_TAIL = 2_000
FILE_MB = 4_096
PROCESSES = 512


class SetupFailed(ConductorError):
    """The project's setup failed."""

    code = "setup_failed"


@dataclass(frozen=True)
class Environment:
    """A prepared environment: a virtual environment that `setup` filled; read-only for checks."""

    path: Path

    def variables(self, path: str) -> dict[str, str]:
        """$CONDUCTOR_ENV, and a PATH where its programs come before those of `path`."""
        return {
            "CONDUCTOR_ENV": str(self.path),
            "VIRTUAL_ENV": str(self.path),
            "PATH": f"{self.path / 'bin'}{os.pathsep}{path}",
        }


def fingerprint(setup: Setup, checkout: Path) -> str:
    """A hash of all that the environment is made from: interpreter, command, lockfiles' content."""
    digest = hashlib.sha256()
    for part in (sys.version, sys.prefix, shown(setup.run)):
        digest.update(f"{len(part)}:{part}\n".encode())
    for name in sorted(setup.lockfiles):
        file = inside(checkout, name)
        content = file.read_bytes() if file.is_file() else None
        size = "absent" if content is None else len(content)
        digest.update(f"{name}:{size}\n".encode() + (content or b""))
    return digest.hexdigest()[:32]


def ready(setup: Setup, checkout: Path) -> bool:
    """Whether there is something to prepare from: before the first lockfile there is not.

    What a person gave with the run's inputs is to be run in any case.
    """
    if setup.when is not None or not setup.lockfiles:
        return True
    return any(inside(checkout, name).is_file() for name in setup.lockfiles)


def prepare(
    setup: Setup,
    checkout: Path,
    *,
    home: Path,
    sandbox: Sandbox,
    variables: Mapping[str, str] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Environment:
    """The environment for this checkout, built now if no earlier judging did. Raises SetupFailed.

    `variables` are the operator's, for the setup alone.

    It is built at its final path, because virtual environments can't be moved, and counts only once
    its marker is written; what a killed process left without a marker is removed and built again.
    """
    environments = home / "environments"
    environments.mkdir(parents=True, exist_ok=True)
    target = environments / fingerprint(setup, checkout)
    marker = target.with_suffix(".ready")
    if not _wanted(marker):
        with _locked(target.with_suffix(".lock"), setup.timeout):
            if not _wanted(marker):
                _build(setup, checkout, target, sandbox, variables or {}, cancelled)
                marker.write_text(shown(setup.run))
    return Environment(target)


def _wanted(marker: Path) -> bool:
    """Whether the environment is there; its marker's time says when it was last wanted."""
    try:
        os.utime(marker)
    except FileNotFoundError:
        return False
    return True


def forget(environments: Path, before: float) -> None:
    """Remove what was last wanted before this time (seconds since 1970), and unfinished builds."""
    for path in environments.glob("*.lock"):
        target = path.with_suffix("")
        # The lock stays: whoever waits for it must not build beside somebody with a newer one.
        with path.open("w") as lock:
            if not _try_lock(lock.fileno()) or _last_wanted(target) >= before:
                continue
            for suffix in (".ready", ".log"):
                target.with_suffix(suffix).unlink(missing_ok=True)
            for folder in (target, target.with_suffix(".source")):
                remove_tree(folder)


def _last_wanted(target: Path) -> float:
    for path in (target.with_suffix(".ready"), target):
        if path.exists():
            return path.stat().st_mtime
    return 0.0


@contextmanager
def _locked(path: Path, build_seconds: float) -> Iterator[None]:
    """Holds the lock file, waiting for another builder as long as its build may take."""
    deadline = time.monotonic() + build_seconds * 2
    with path.open("w") as file:
        while not _try_lock(file.fileno()):
            if time.monotonic() > deadline:
                raise SetupFailed(
                    f"Another process has held {path} for too long. Stop the worker that hangs "
                    "in the project's setup; the next judging then builds it."
                )
            time.sleep(POLL_SECONDS)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _build(
    setup: Setup,
    checkout: Path,
    target: Path,
    sandbox: Sandbox,
    variables: Mapping[str, str],
    cancelled: Callable[[], bool] | None,
) -> None:
    """Runs the setup where it sees the lockfiles and nothing else: the hash covers its input."""
    source = target.with_suffix(".source")
    for leftover in (target, source):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        _copy_lockfiles(setup, checkout, source)
        deadline = time.monotonic() + setup.timeout
        for words in ([sys.executable, "-m", "venv", str(target)], argv(setup.run)):
            target.mkdir(exist_ok=True)
            result = sandbox.run(
                words,
                cwd=source,
                env={**variables, **Environment(target).variables(sandbox.path)},
                limits=Limits(
                    seconds=max(deadline - time.monotonic(), 1),
                    file_mb=FILE_MB,
                    processes=PROCESSES,
                ),
                writable=[source, target],
                network=True,
                cancelled=cancelled,
            )
            log = target.with_suffix(".log")
            log.write_text(masking.words(result.output), encoding="utf-8", errors="replace")
            if result.exit_code != 0:
                raise SetupFailed(_explain(setup, result, log))
    finally:
        shutil.rmtree(source, ignore_errors=True)


def _copy_lockfiles(setup: Setup, checkout: Path, source: Path) -> None:
    source.mkdir()
    for name in setup.lockfiles:
        file = inside(checkout, name)
        if file.is_file():
            copy = inside(source, name)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)


def _explain(setup: Setup, result: CommandResult, log: Path) -> str:
    ended = (
        f"took longer than {setup.timeout:g} s"
        if result.timed_out
        else f"ended with exit code {result.exit_code}"
    )
    return (
        f"The project's setup ({shown(setup.run)}) {ended}. It sees only its lockfiles "
        f"({', '.join(setup.lockfiles) or 'none declared'}) and installs into $CONDUCTOR_ENV. "
        f"Log: {log}. It ends with:\n{masking.tail(result.output, LOG_TAIL)}"
    )
