"""Moments as people read them, in their own time zone."""

from datetime import datetime


def moment(iso: str | None) -> str:
    """A time in ISO 8601 as document 000 prints it: `9/30/2025, 8:00:00 AM`."""
    if iso is None:
        return "not yet"
    at = datetime.fromisoformat(iso).astimezone()
    return f"{at.month}/{at.day}/{at.year}, {at.hour % 12 or 12}:{at:%M:%S %p}"


def clock(milliseconds: int) -> str:
    """A time in milliseconds since 1970 as time of day: `14:03:27`."""
    return f"{datetime.fromtimestamp(milliseconds / 1000).astimezone():%H:%M:%S}"
