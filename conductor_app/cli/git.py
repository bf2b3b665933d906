"""Runs git for a person's command, where nothing of their environment leads it elsewhere."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from conductor_app.errors import EnvironmentProblem

ANSWER_SECONDS = 60.0


def run_git(
    directory: Path, *arguments: str, variables: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    """What git did, whatever its exit code; `variables` come on top of its environment.

    Raises EnvironmentProblem when git is missing or does not end.
    """
    # Variables such as GIT_DIR, set when this is started from a git hook, would lead elsewhere;
    # looking must neither lock nor run anything, and nobody is there to be asked for a password.
    environment = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    environment |= {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    try:
        return subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-C", str(directory), *arguments],
            env={**environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER_SECONDS,
            check=False,
        )
    except FileNotFoundError as error:
        raise EnvironmentProblem(
            "git is not on PATH; install git 2.38 or newer (Debian, Ubuntu: apt install git)."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise EnvironmentProblem(
            f"`git {arguments[0]}` in {directory} did not end within {ANSWER_SECONDS:g} s. Find "
            "out with that command what holds it up, and try again."
        ) from error
