"""Where a project may lie: a path on this machine, or a URL of the protocols that git may use."""

import re

from conductor_app.errors import InvalidInput

SCHEMES = frozenset({"file", "git", "http", "https", "ssh"})
_URL = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/]*).+", re.IGNORECASE)
_SSH = re.compile(r"[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:[^:].*")


class InvalidLocation(InvalidInput):
    """The project's location is neither a path nor a URL that git may use."""

    code = "invalid_location"


def is_url(location: str) -> bool:
    """Whether it is a URL rather than a path; raises InvalidLocation for what is neither."""
    known = f"{', '.join(sorted(SCHEMES))}, or user@host:path"
    # What git would take for an option, a helper or a command.
    if not location or location.startswith("-") or "::" in location or not location.isprintable():
        raise InvalidLocation(
            f"{location!r} is neither a path nor a URL. Give a directory, or a URL of {known}."
        )
    url = _URL.fullmatch(location)
    if url is None:
        return bool(_SSH.fullmatch(location))
    if url["scheme"].lower() not in SCHEMES:
        raise InvalidLocation(
            f"{url['scheme']}:// is not a protocol that Conductor uses; use {known}."
        )
    # The location is shown in lists, reports and logs.
    if ":" in url["authority"].rpartition("@")[0]:
        raise InvalidLocation(
            "The URL holds a password. Give it without one, and give git the password with a "
            "credential helper."
        )
    return True


def name_of(location: str) -> str:
    """What a project at this path or URL is called, unless somebody chooses another name."""
    last = re.split(r"[/:]", location.rstrip("/"))[-1]
    return last.removesuffix(".git") or location
