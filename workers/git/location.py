"""Where an execution's repository is: a directory on this machine, or the URL of a remote."""

import hashlib
import re
from pathlib import Path

from workers.git.errors import NotARepository
from workers.git.names import branch_ref
from workers.git.program import REMOTE_SECONDS, Git, execute, failure
from workers.git.refs import RemoteRefs
from workers.git.turns import turn


def local(path: Path) -> tuple[Git, Git]:
    """The repository that holds this directory: what all its worktrees share, and this one of it.

    Raises NotARepository with the way out.
    """
    if not path.is_dir():
        raise NotARepository(f"{path} is not a directory; give the path of a git repository.")
    questions = ("--git-common-dir", "--git-dir", "--is-inside-work-tree")
    answer = execute(("rev-parse", "--path-format=absolute", *questions), {}, cwd=path)
    if not answer.ok:
        raise _not_a_repository(path, answer.errors)
    shared, own, inside = answer.output.splitlines()
    if inside != "true":
        return Git(Path(shared)), Git(Path(own))
    top = execute(("rev-parse", "--show-toplevel"), {}, cwd=path).output.removesuffix("\n")
    return Git(Path(shared)), Git(Path(own), Path(top))


def mirror(url: str, home: Path) -> Git:
    """A bare mirror of the remote, made when it is first needed, shared by all executions."""
    name = hashlib.sha256(url.encode()).hexdigest()[:24]
    git = Git(home / "repositories" / f"{name}.git")
    git.git_dir.mkdir(parents=True, exist_ok=True)
    with turn(git.git_dir):
        if not (git.git_dir / "HEAD").exists():
            git.run("init", "--quiet", "--bare", str(git.git_dir))
    RemoteRefs(git, url).refresh()
    _follow_head(git, url)
    return git


def _follow_head(git: Git, url: str) -> None:
    """HEAD of the mirror names the remote's own default branch."""
    command = ("ls-remote", "--symref", "--end-of-options", url, "HEAD")
    answer = git.ask(*command, seconds=REMOTE_SECONDS)
    if not answer.ok:
        raise failure(command, answer)
    head = re.match(r"ref: refs/heads/(\S+)\tHEAD", answer.output)
    if head:
        git.run("symbolic-ref", "HEAD", branch_ref(head[1]))


def _not_a_repository(path: Path, said: str) -> NotARepository:
    if "dubious ownership" in said:
        return NotARepository(
            f"{path} belongs to another user, so git refuses to work there. Run Conductor as the "
            "repository's owner, or, if you trust its owner: "
            f"`git config --global --add safe.directory {path}`, then restart the workers."
        )
    return NotARepository(
        f"{path} is not a git repository. Make it one: `git init`, then commit what is there "
        "(`git add -A && git commit --allow-empty -m Start`)."
    )
