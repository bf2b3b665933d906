"""Where the settings of a shell are not those of the stack that runs already."""

from collections.abc import Iterator, Mapping

from conductor_app.settings import Settings

# What opens something is kept in one place only, and what a home is it is for everybody.
NOT_NOTED = ("home", "token", "secret_key", "database_url", "broker_url", "redis_url")


def to_note(settings: Settings) -> dict[str, str]:
    """The settings that a stack was started with, by their variable."""
    secret = {_variable(name) for name in NOT_NOTED}
    found = settings.environment()
    return {name: value for name, value in found.items() if name not in secret}


def warning(noted: Mapping[str, str] | None, settings: Settings) -> str | None:
    """What to say of the settings that somebody chose here and that do not count."""
    parts = [] if noted is None else [*_differences(noted, settings)]
    if not parts:
        return None
    return (
        f"Conductor runs already, and its own settings count: {'; '.join(parts)}. "
        "To have yours, `conductor down` and start it anew."
    )


def _differences(noted: Mapping[str, str], settings: Settings) -> Iterator[str]:
    mine = to_note(settings)
    for name in sorted({_variable(field) for field in settings.model_fields_set} & set(mine)):
        theirs = noted.get(name)
        if theirs != mine[name]:
            yield f"{name} is {theirs or 'not set'} there, {mine[name]} here"


def _variable(field: str) -> str:
    return f"CONDUCTOR_{field.upper()}"
