"""The data directory: making it, who may use it, and which version of Conductor wrote it."""

import errno
import os
import tempfile
from pathlib import Path

from conductor_app.errors import EnvironmentProblem
from conductor_app.places import Places, make_socket_directory, require_own, socket_directory

LAYOUT_VERSION = 1


class DataDirectoryProblem(EnvironmentProblem):
    """The data directory can't be used."""

    code = "data_directory_problem"


def prepare(home: Path) -> None:
    """Make what is missing of the data directory. Raises DataDirectoryProblem."""
    places = Places(home)
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_version(home)
        for directory in places.directories():
            directory.mkdir(mode=0o700, exist_ok=True)
        make_socket_directory(home)
        if not places.version.exists():
            places.version.write_text(f"{LAYOUT_VERSION}\n")
    except OSError as failure:
        raise _unusable(home, failure) from failure


def look(home: Path) -> bool:
    """Whether it is there; nothing of it is changed.

    Raises DataDirectoryProblem when it could be neither used nor made.
    """
    places = Places(home)
    try:
        check_version(home)
        needed = (home, *places.directories(), socket_directory(home))
        for place in {_existing(directory) for directory in needed}:
            _require_writable(place)
        if socket_directory(home).exists():
            require_own(socket_directory(home))
    except OSError as failure:
        raise _unusable(home, failure) from failure
    return home.exists()


def check_version(home: Path) -> None:
    """Refuse a data directory that a newer Conductor has written; older programs would harm it."""
    version = _version(Places(home).version)
    if version > LAYOUT_VERSION:
        raise DataDirectoryProblem(
            f"The data directory {home} was written by a newer Conductor "
            f"(layout {version}; this one knows {LAYOUT_VERSION}). "
            "Update Conductor, or set CONDUCTOR_HOME to another directory. Nothing was changed."
        )


def _version(marker: Path) -> int:
    try:
        return int(marker.read_text().strip())
    except FileNotFoundError:
        return 0
    except ValueError:
        raise DataDirectoryProblem(
            f"{marker} should hold a number and does not. Is {marker.parent} Conductor's data "
            f"directory? If so, write {LAYOUT_VERSION} into it; if not, set CONDUCTOR_HOME."
        ) from None


def _existing(directory: Path) -> Path:
    """The directory itself, or where it would be made: the nearest one above that is there."""
    return next(place for place in (directory, *directory.parents) if place.exists())


def _require_writable(place: Path) -> None:
    if not place.is_dir():
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(place))
    if not os.access(place, os.W_OK | os.X_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), str(place))
    try:
        # Permissions say nothing of a place that holds no files, such as /proc, nor of a quota.
        with tempfile.TemporaryDirectory(prefix=".conductor-", dir=place):
            pass
    except OSError as failure:
        told = f"nothing can be made in {place} ({failure.strerror})"
        raise OSError(failure.errno, told, str(place)) from failure


def _unusable(home: Path, failure: OSError) -> DataDirectoryProblem:
    return DataDirectoryProblem(
        f"The data directory {home} can't be written: {failure.strerror or failure}. "
        "Give yourself permission to it, free some disk, or set CONDUCTOR_HOME to another one."
    )
