"""The repository of a run: the one that is named, the marked one, or a fresh demonstration."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from conductor_app.cli.demo_repository import create_demo_repository
from conductor_app.cli.project import marked_directory, place_of
from conductor_app.cli.repository import (
    require_git,
    require_remote,
    require_repository,
    uncommitted,
)
from conductor_app.launch import Order
from conductor_app.places import Places
from conductor_app.workflows import loader

FILES_SHOWN = 5
# Files that say other things of a project as well, and the words by which they name packages.
SAYS_MORE = ("pyproject.toml", "setup.py", "setup.cfg", "package.json")
DEPENDENCIES = ("dependencies", "Dependencies", "install_requires")


def chosen_place(named: str | None, working: Path) -> str | Path | None:
    """The URL or the repository's directory that is meant; None when a fresh one is wanted.

    Raises NotARepository, RemoteUnreachable, InvalidLocation; EnvironmentProblem when git is
    missing or too old.
    """
    require_git()
    place = marked_directory(working) if named is None else place_of(named)
    if isinstance(place, Path):
        return require_repository(place)
    return None if place is None else require_remote(place)


def fresh_directory(home: Path) -> Path:
    """A new numbered repository beside the data directory."""
    # Made here, so that of two runs at the same moment each gets its own.
    directory = next(place for place in _numbered(home) if _made(place))
    create_demo_repository(directory)
    return directory


def warning_of(place: str | Path | None) -> str | None:
    """What to say about files whose changes no commit has."""
    files = uncommitted(place) if isinstance(place, Path) else []
    if not files:
        return None
    shown = ", ".join(files[:FILES_SHOWN])
    more = f" and {len(files) - FILES_SHOWN} more" if len(files) > FILES_SHOWN else ""
    return (
        f"{len(files)} file{'s' if len(files) > 1 else ''} in {place} "
        f"{'have' if len(files) > 1 else 'has'} changes that are not committed: {shown}{more}. "
        "Agents start from the last commit and do not see them; nobody touches them."
    )


def warning_of_setup(place: str | Path | None, order: Order) -> str | None:
    """What to say where a project names packages and nobody said how they are installed."""
    setup = loader.load(order.workflow).workflow.setup
    if setup is None or setup.when is None or setup.when in order.inputs:
        return None
    needs = [name for name in setup.lockfiles if isinstance(place, Path) and _needs(place / name)]
    if not needs:
        return None
    return (
        f"{needs[0]} names packages, and the run was not told how to install them: its commands "
        f"find only what Conductor brings along. If they need more, give --input {setup.when}="
        '"pip install -r requirements.txt", or what installs them here.'
    )


def _needs(file: Path) -> bool:
    """Whether the file names other packages: that is all that lists and locks do."""
    try:
        text = file.read_text(errors="replace")
    except OSError:
        return False
    return file.name not in SAYS_MORE or any(word in text for word in DEPENDENCIES)


def _numbered(home: Path) -> Iterator[Path]:
    beside = home.parent
    if not os.access(beside, os.W_OK):
        beside = Places(home).repositories
    return (beside / f"{home.name}-demo-{number}" for number in itertools.count(1))


def _made(place: Path) -> bool:
    try:
        place.mkdir(parents=True)
    except FileExistsError:
        return False
    return True
