"""The data directory: making it, who may use it, and which version of Conductor wrote it."""

from pathlib import Path

from conductor_app.errors import EnvironmentProblem
from conductor_app.places import Places, make_socket_directory

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
        raise DataDirectoryProblem(
            f"The data directory {home} can't be written: {failure.strerror or failure}. "
            "Give yourself permission to it, free some disk, or set CONDUCTOR_HOME to another one."
        ) from failure


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
