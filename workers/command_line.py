"""A template's command, a line for the shell or a list of words, as the argv to run."""

from collections.abc import Sequence


def argv(command: str | Sequence[str]) -> list[str]:
    return ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)


def shown(command: str | Sequence[str]) -> str:
    """The command as a person may read it."""
    return command if isinstance(command, str) else " ".join(command)
