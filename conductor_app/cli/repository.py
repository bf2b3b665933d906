"""What a command must know of a project's git repository before anything is started on it."""

import os
import shlex
import subprocess
from pathlib import Path

from conductor_app.errors import EnvironmentProblem, InvalidInput
from conductor_app.stack.doctor import GIT_NEEDED, git_version

ANSWER_SECONDS = 60


class NotARepository(InvalidInput):
    """The project is not a git repository with a commit."""

    code = "not_a_repository"


def require_repository(directory: Path) -> Path:
    """The top level of the repository that `directory` is. Raises NotARepository."""
    if not directory.is_dir():
        raise NotARepository(f"There is no directory {directory}. Name the project's repository.")
    place = shlex.quote(str(directory))
    top = git(directory, "rev-parse", "--show-toplevel")
    if top is None:
        raise NotARepository(
            f"{directory} is not a git repository, and agents work on commits. Make it one: "
            f"git -C {place} init && git -C {place} add -A && git -C {place} commit -m Start"
        )
    if Path(top).resolve() != directory.resolve():
        raise NotARepository(
            f"{directory} is only a part of the repository {top}. "
            f"Name that: --project {shlex.quote(top)}"
        )
    if git(directory, "rev-parse", "--verify", "--quiet", "HEAD^{commit}") is None:
        raise NotARepository(
            f"The repository {directory} has no commit yet, and agents start from one. Make it: "
            f"git -C {place} add -A && git -C {place} commit -m Start"
        )
    return directory.resolve()


def require_git() -> None:
    """Raises EnvironmentProblem unless git is here and new enough for the work to come."""
    words = git(Path.cwd(), "version") or ""
    if git_version(words) < GIT_NEEDED:
        needed = ".".join(map(str, GIT_NEEDED))
        raise EnvironmentProblem(f"{words or 'git'} is too old; install git {needed} or newer.")


def uncommitted(directory: Path) -> list[str]:
    """The files with changes that no commit has, as agents will not see them."""
    found = git(directory, "status", "--porcelain=v1", "-z", "--no-renames") or ""
    return [entry[3:] for entry in found.split("\0") if entry]


def git(directory: Path, *arguments: str) -> str | None:
    """What git answers, or None when it refuses. Raises EnvironmentProblem without git."""
    # Variables such as GIT_DIR would lead elsewhere; looking must neither lock nor run anything.
    environment = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    try:
        done = subprocess.run(
            ["git", "-c", "core.fsmonitor=false", "-C", str(directory), *arguments],
            env={**environment, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=ANSWER_SECONDS,
        )
    except FileNotFoundError as error:
        raise EnvironmentProblem(
            "git is not on PATH; install git 2.38 or newer (Debian, Ubuntu: apt install git)."
        ) from error
    return None if done.returncode else done.stdout.removesuffix("\n")
