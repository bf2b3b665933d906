"""The repository that a run works in: the named one, the marked one, or a fresh demonstration."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from conductor_app.cli.demo_repository import create_demo_repository
from conductor_app.cli.project import marked_directory
from conductor_app.cli.repository import require_git, require_repository, uncommitted
from conductor_app.places import Places

FILES_SHOWN = 5


def chosen_directory(named: Path | None, working: Path) -> Path | None:
    """The repository that is meant; None when a fresh one is wanted.

    Raises NotARepository, and EnvironmentProblem when git is missing or too old.
    """
    require_git()
    directory = named or marked_directory(working)
    return require_repository(directory) if directory else None


def fresh_directory(home: Path) -> Path:
    """A new numbered repository beside the data directory."""
    # Made here, so that of two runs at the same moment each gets its own.
    directory = next(place for place in _numbered(home) if _made(place))
    create_demo_repository(directory)
    return directory


def warning_of(directory: Path) -> str | None:
    """What to say about files whose changes no commit has."""
    files = uncommitted(directory)
    if not files:
        return None
    shown = ", ".join(files[:FILES_SHOWN])
    more = f" and {len(files) - FILES_SHOWN} more" if len(files) > FILES_SHOWN else ""
    return (
        f"{len(files)} file{'s' if len(files) > 1 else ''} in {directory} "
        f"{'have' if len(files) > 1 else 'has'} changes that are not committed: {shown}{more}. "
        "Agents start from the last commit and do not see them; nobody touches them."
    )


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
