"""The programs that a check declares in `requires`: on its PATH, and docker with a daemon."""

import shutil
from collections.abc import Iterable

from workers.docker import require_daemon
from workers.means import MeansAbsent

INSTALL = {
    "docker": "Docker (https://docs.docker.com/engine/install/)",
    "node": "Node.js (https://nodejs.org)",
    "npm": "Node.js (https://nodejs.org)",
    "psql": "the PostgreSQL client",
}


def require(programs: Iterable[str], path: str) -> None:
    """Raises MeansAbsent, naming what to install, when a program is not on this PATH."""
    for program in programs:
        found = shutil.which(program, path=path)
        if found is None:
            raise MeansAbsent(
                f"{program} is not installed on this worker; install "
                f"{INSTALL.get(program, program)} and run the check again."
            )
        if program == "docker":
            require_daemon(found)
