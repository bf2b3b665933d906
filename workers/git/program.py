"""Runs the git program: fixed settings, clean environment, no hooks, no prompts."""

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from workers.git.errors import GitFailed, GitMissing

LOCAL_SECONDS = 300.0
REMOTE_SECONDS = 900.0
SETTINGS = (
    # Nothing that a repository, or an agent's files in it, could have git execute.
    *("core.hooksPath=/dev/null", "core.fsmonitor=false", "core.askPass=", "gc.auto=0"),
    *("maintenance.auto=false", "submodule.recurse=false", "fetch.recurseSubmodules=false"),
    *("commit.gpgSign=false", "tag.gpgSign=false", "push.gpgSign=false"),
    # Output that can be parsed, and patience with another git that holds a ref for a moment.
    *("core.quotePath=false", "color.ui=false", "advice.addEmbeddedRepo=false"),
    *("core.filesRefLockTimeout=10000", "core.packedRefsTimeout=10000"),
    *("worktree.useRelativePaths=false", "log.showSignature=false", "trailer.separators=:"),
    *("i18n.commitEncoding=UTF-8", "i18n.logOutputEncoding=UTF-8"),
)
ENVIRONMENT = {
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    # Looking at the user's repository must not even refresh its index.
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_EDITOR": ":",
    "GIT_AUTHOR_NAME": "Conductor",
    "GIT_AUTHOR_EMAIL": "conductor@localhost",
    "GIT_COMMITTER_NAME": "Conductor",
    "GIT_COMMITTER_EMAIL": "conductor@localhost",
}
# A remote may need the user's keys, known hosts and .netrc; nothing else is inherited.
INHERITED = ("PATH", "HOME", "SSH_AUTH_SOCK", "http_proxy", "https_proxy", "no_proxy")


@dataclass(frozen=True)
class Answer:
    """What one run of git said."""

    code: int
    output: str
    errors: str

    @property
    def ok(self) -> bool:
        return self.code == 0


@dataclass(frozen=True)
class Git:
    """Git on one git directory, which is always named, never discovered.

    An agent can write the `.git` file of its worktree; git must not read there where to go, or
    which configuration to obey.
    """

    git_dir: Path
    work_tree: Path | None = None
    index: Path | None = None

    def run(self, *arguments: str, text: str | None = None, seconds: float = LOCAL_SECONDS) -> str:
        """Standard output, its last newline removed. Raises GitFailed when git says no."""
        answer = self.ask(*arguments, text=text, seconds=seconds)
        if not answer.ok:
            raise failure(arguments, answer)
        return answer.output.removesuffix("\n")

    def ask(
        self, *arguments: str, text: str | None = None, seconds: float = LOCAL_SECONDS
    ) -> Answer:
        """The answer, whatever it is; for questions where `no` is an answer."""
        places = {"GIT_DIR": self.git_dir, "GIT_WORK_TREE": self.work_tree}
        places |= {"GIT_INDEX_FILE": self.index}
        variables = {name: str(place) for name, place in places.items() if place is not None}
        # Never the worker's own directory: git would take attributes from there.
        cwd = self.work_tree or self.git_dir
        return execute(arguments, variables, cwd=cwd, text=text, seconds=seconds)


def execute(
    arguments: tuple[str, ...],
    variables: Mapping[str, str],
    *,
    cwd: Path,
    text: str | None = None,
    seconds: float = LOCAL_SECONDS,
) -> Answer:
    """One run of git. Raises GitMissing, and GitFailed when it takes longer than `seconds`."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    try:
        done = subprocess.run(
            ["git", "--no-pager", *_settings(), *arguments],
            cwd=cwd,
            env={**inherited, **ENVIRONMENT, **variables},
            input=text.encode("utf-8", "surrogateescape") if text is not None else None,
            stdin=subprocess.DEVNULL if text is None else None,
            capture_output=True,
            timeout=seconds,
            check=False,
            # A terminal's Ctrl-C goes to the worker, which decides; git finishes its write.
            start_new_session=True,
        )
    except FileNotFoundError as error:
        if not cwd.exists():
            raise GitFailed(f"{cwd} does not exist any more.") from error
        raise GitMissing() from error
    except subprocess.TimeoutExpired as error:
        raise GitFailed(f"git {arguments[0]} was stopped after {seconds:g} s.") from error
    return Answer(done.returncode, _decode(done.stdout), _decode(done.stderr))


def _settings() -> list[str]:
    trusted = (f"safe.directory={place}" for place in _trusted_directories())
    return [part for setting in (*SETTINGS, *trusted) for part in ("-c", setting)]


@cache
def _trusted_directories() -> tuple[str, ...]:
    """Repositories of other users that the operator has told git to trust: all that is taken from
    the operator's own configuration."""
    asked = subprocess.run(
        ["git", "config", "--get-all", "safe.directory"],
        cwd=os.path.sep,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return tuple(asked.stdout.splitlines())


def failure(arguments: tuple[str, ...], answer: Answer) -> GitFailed:
    said = answer.errors.strip() or answer.output.strip() or f"exit code {answer.code}"
    return GitFailed(f"git {arguments[0]} failed: {without_secrets(said)[-2000:]}")


def without_secrets(text: str) -> str:
    """The text with user names and passwords of URLs left out."""
    return re.sub(r"://[^/@\s]+@", "://***@", text)


def _decode(data: bytes) -> str:
    """Names of files need not be UTF-8; they must come back as they were."""
    return data.decode("utf-8", "surrogateescape")
