"""Where things lie in the data directory, and where sockets go when its path is too long."""

import hashlib
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from conductor_app.errors import EnvironmentProblem

# A socket's address holds 107 bytes; supervisor binds "<name>.<pid>" first, and our longest name is
# "supervisor.sock".
LONGEST_SOCKET_DIRECTORY = 107 - len("/supervisor.sock.4194304")
# A path of these characters needs no quoting in a URL, in Redis's configuration or in supervisor's.
PLAIN_PATH = re.compile(r"[A-Za-z0-9/._-]+")


def default_home() -> Path:
    return Path(platformdirs.user_data_dir("conductor"))


@dataclass(frozen=True)
class Places:
    """The layout of a data directory."""

    home: Path

    @property
    def version(self) -> Path:
        """Marks the layout's version, so that older programs keep their hands off."""
        return self.home / "version"

    @property
    def repositories(self) -> Path:
        """Mirrors of remote projects and the repositories that `run` makes."""
        return self.home / "repositories"

    @property
    def worktrees(self) -> Path:
        return self.home / "worktrees"

    @property
    def checkouts(self) -> Path:
        return self.home / "checkouts"

    @property
    def environments(self) -> Path:
        """What projects' `setup` prepared, by lockfile hash."""
        return self.home / "environments"

    @property
    def artifacts(self) -> Path:
        return self.home / "artifacts"

    @property
    def backups(self) -> Path:
        return self.home / "backups"

    @property
    def recordings(self) -> Path:
        """What `run --record` has recorded here; made with the first of it."""
        return self.home / "recordings"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def redis(self) -> Path:
        """The embedded Redis server's append-only file."""
        return self.home / "redis"

    @property
    def run(self) -> Path:
        """Configuration and state of the running stack."""
        return self.home / "run"

    @property
    def api_token(self) -> Path:
        return self.home / "api.token"

    @property
    def secret_key(self) -> Path:
        return self.home / "secret.key"

    @property
    def redis_password(self) -> Path:
        return self.home / "redis.password"

    def directories(self) -> tuple[Path, ...]:
        return (
            self.repositories,
            self.worktrees,
            self.checkouts,
            self.environments,
            self.artifacts,
            self.backups,
            self.logs,
            self.redis,
            self.run,
        )


def socket_directory(home: Path) -> Path:
    """Where this home's sockets go: its run directory, else a short private one of its own."""
    run = Places(home).run
    if len(os.fsencode(run)) <= LONGEST_SOCKET_DIRECTORY and PLAIN_PATH.fullmatch(str(run)):
        return run
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    # Not the temporary directory of the environment: every process must come to the same answer.
    return Path("/tmp") / f"conductor-{os.getuid()}-{digest}"


def redis_socket(home: Path) -> Path:
    return socket_directory(home) / "redis.sock"


def make_socket_directory(home: Path) -> Path:
    """The socket directory, made if need be, and surely nobody else's."""
    directory = socket_directory(home)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    require_own(directory)
    directory.chmod(0o700)
    return directory


def require_own(directory: Path) -> None:
    """Raises EnvironmentProblem when what is there is no directory of this user."""
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise EnvironmentProblem(
            f"{directory} belongs to somebody else, so sockets in it would not be private. "
            "Remove it, or set CONDUCTOR_HOME to a directory with a shorter path."
        )
