"""Which project a command is about: the one named, else the one around the working directory."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conductor_app.domain.location import is_url
from conductor_app.errors import NotFound

if TYPE_CHECKING:
    from sqlalchemy import Row

    from conductor_app.store.database import Transaction

MARKER = Path(".conductor") / "conductor.yml"


def marked_directory(start: Path) -> Path | None:
    """The nearest directory, from `start` upwards, that holds .conductor/conductor.yml."""
    return next((place for place in (start, *start.parents) if (place / MARKER).is_file()), None)


def directory_around(start: Path) -> Path | None:
    """The nearest marked directory, else the top level of the git repository around `start`."""
    places = (start, *start.parents)
    top = (place for place in places if (place / ".git").exists())
    return marked_directory(start) or next(top, None)


def place_of(named: str) -> str | Path:
    """The URL, or the directory, that a person named. Raises InvalidLocation for neither."""
    return named if is_url(named) else Path(named).resolve()


def project_of(tx: "Transaction", named: str | None, start: Path) -> "Row[Any] | None":
    """The project that is meant; None when nobody named one and `start` lies in none.

    Raises NotFound when Conductor does not know the place that was named, InvalidLocation.
    """
    from conductor_app.store import projects

    if named is None:
        around = directory_around(start.resolve())
        return projects.at(tx, str(around)) if around else None
    place = place_of(named)
    found = projects.at(tx, str(place))
    if found is None:
        raise NotFound(
            f"Conductor has never worked on {place}. Start with "
            f"`conductor run --project {shlex.quote(named)}`."
        )
    return found
