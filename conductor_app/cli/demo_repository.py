"""The small git repository that `conductor run` makes when no project is named."""

from pathlib import Path

from conductor_app.cli.git import run_git
from conductor_app.errors import EnvironmentProblem, Refused

README = """# {name}

A project that Conductor's agents fill. The work of each execution is on a branch of its own,
`conductor/<execution>`; `git log --all --oneline` shows them.
"""
IGNORED = """__pycache__/
*.pyc
.pytest_cache/
.venv/
node_modules/
*.sqlite3
*.log
"""
IDENTITY = ("-c", "user.name=Conductor", "-c", "user.email=conductor@localhost")
# Neither the user's hooks nor a signing key have a part in this commit.
PLAIN = ("-c", "core.hooksPath=/dev/null", "-c", "commit.gpgSign=false")


def create_demo_repository(path: Path) -> str:
    """Make `path` a git repository with one commit, on the branch `main`; returns the commit.

    A repository that is there already is left as it is. Raises Refused when other files are there,
    EnvironmentProblem when git is missing or fails.
    """
    if not (path / ".git").exists():
        if path.is_dir() and any(path.iterdir()):
            raise Refused(
                f"{path} has files in it but is not a git repository. Name an empty directory, or "
                "make it a repository: `git init && git add -A && git commit -m 'Start'`."
            )
        path.mkdir(parents=True, exist_ok=True)
        _git(path, "init", "--quiet", "--initial-branch=main")
    if not _has_commit(path):
        (path / "README.md").write_text(README.format(name=path.name))
        (path / ".gitignore").write_text(IGNORED)
        _git(path, "add", "--", "README.md", ".gitignore")
        _git(path, *IDENTITY, *PLAIN, "commit", "--quiet", "--no-verify", "-m", "Start")
    return _git(path, "rev-parse", "HEAD")


def _has_commit(path: Path) -> bool:
    return run_git(path, "rev-parse", "--verify", "--quiet", "HEAD").returncode == 0


def _git(path: Path, *arguments: str) -> str:
    done = run_git(path, *arguments)
    if done.returncode:
        raise EnvironmentProblem(f"git could not make {path} a repository: {done.stderr.strip()}")
    return done.stdout.strip()
