"""What a command must know of a project's git repository before anything is started on it."""

import os
import shlex
from pathlib import Path

from conductor_app.cli.git import run_git
from conductor_app.errors import EnvironmentProblem, InvalidInput, Unreachable
from conductor_app.stack.doctor import GIT_NEEDED, git_version

# Workers reach a remote without a person's configuration, and have nobody to ask.
AS_WORKERS_DO = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
}


class NotARepository(InvalidInput):
    """The project is not a git repository with a commit."""

    code = "not_a_repository"


class RemoteUnreachable(Unreachable):
    """The project's remote repository can't be read."""

    code = "remote_unreachable"


def require_remote(url: str) -> str:
    """The URL itself, when it can be read and has a commit to start from.

    Raises RemoteUnreachable, NotARepository.
    """
    # From no repository: its configuration could lead elsewhere.
    asked = ("ls-remote", "--end-of-options", url, "HEAD")
    answer = run_git(Path("/"), *asked, variables=AS_WORKERS_DO)
    if answer.returncode:
        # The first line has the reason, ssh's for instance; what follows is advice.
        reason = (answer.stderr.strip().splitlines() or ["no reason given"])[0].strip(" .")
        reason = reason.removeprefix("fatal: ").removeprefix("error: ")
        raise RemoteUnreachable(
            f"git can't read {url}: {reason}. Correct the URL, or let this user reach it: a key in "
            "ssh's agent or in ~/.ssh, or ~/.netrc; nobody is asked for a password."
        )
    if not answer.stdout.strip():
        raise NotARepository(
            f"The repository {url} has no commit on its default branch yet, and agents start from "
            "one. Push one, and try again."
        )
    return url


def require_repository(directory: Path) -> Path:
    """The top level of the repository that `directory` is. Raises NotARepository."""
    if not directory.is_dir():
        raise NotARepository(f"There is no directory {directory}. Name the project's repository.")
    place = shlex.quote(str(directory))
    answer = run_git(directory, "rev-parse", "--show-toplevel")
    if "dubious ownership" in answer.stderr:
        raise NotARepository(
            f"{directory} belongs to another user, so git refuses to work there. Run this as the "
            "repository's owner, or, if you trust its owner: "
            f"git config --global --add safe.directory {place}"
        )
    if answer.returncode:
        if _asked(directory, "rev-parse", "--is-bare-repository") == "true":
            raise NotARepository(
                f"{directory} is a bare repository, which has no files to look at. Name it by its "
                f"URL, and results are pushed to it: --project {directory.resolve().as_uri()}"
            )
        raise NotARepository(
            f"{directory} is not a git repository, and agents work on commits. Make it one: "
            f"git -C {place} init && {_first_commit(directory)}"
        )
    top = answer.stdout.removesuffix("\n")
    if Path(top).resolve() != directory.resolve():
        raise NotARepository(
            f"{directory} is only a part of the repository {top}. "
            f"Name that: --project {shlex.quote(top)}"
        )
    if _asked(directory, "rev-parse", "--verify", "--quiet", "HEAD^{commit}") is None:
        raise NotARepository(
            f"The repository {directory} has no commit yet, and agents start from one. Make it: "
            f"{_first_commit(directory)}"
        )
    return directory.resolve()


def _first_commit(directory: Path) -> str:
    """What makes one, also of an empty directory."""
    git = f"git -C {shlex.quote(str(directory))}"
    return f"{git} add -A && {git} commit --allow-empty -m Start"


def require_git() -> None:
    """Raises EnvironmentProblem unless git is here and new enough for the work to come."""
    words = _asked(Path.cwd(), "version") or ""
    if git_version(words) < GIT_NEEDED:
        needed = ".".join(map(str, GIT_NEEDED))
        raise EnvironmentProblem(f"{words or 'git'} is too old; install git {needed} or newer.")


def uncommitted(directory: Path) -> list[str]:
    """The files with changes that no commit has, as agents will not see them."""
    found = _asked(directory, "status", "--porcelain=v1", "-z", "--no-renames") or ""
    return [entry[3:] for entry in found.split("\0") if entry]


def _asked(directory: Path, *arguments: str) -> str | None:
    """What git answers, or None when it refuses."""
    done = run_git(directory, *arguments)
    return None if done.returncode else done.stdout.removesuffix("\n")
