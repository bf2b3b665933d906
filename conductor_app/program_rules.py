"""What a program's settings must keep to, so that no mistake in them costs an attempt."""

import re
from collections.abc import Mapping
from typing import Any, get_args

from conductor_app import configuration
from conductor_app.errors import InvalidSettings
from conductor_app.programs import AT_GATEWAY, DENY, PLACEHOLDERS, Program, Protocol, Words

PROTOCOLS: tuple[str, ...] = get_args(Protocol)
# The settings whose words are filled in.
_FILLED = ("argv", "env")
# A word in braces that is meant for a placeholder; a shell's `${name}` is not.
_NAMED = re.compile(r"(?<!\$)\{([a-z_]+)\}")


def require_placeholders(values: Mapping[str, Any], place: str) -> None:
    """Raises InvalidSettings for one that nobody fills in: the program would be given its name."""
    known = tuple(f"{{{each}}}" for each in PLACEHOLDERS)
    for setting in _FILLED:
        for name in _named(values.get(setting) or ()):
            if name not in PLACEHOLDERS:
                told = configuration.unknown("placeholder", f"{{{name}}}", known)
                raise InvalidSettings(
                    f"{place}: in `{setting}` {told} "
                    "What has a space between its braces is passed on as it is."
                )


def require_gateway(
    place: str, name: str, preset: Program | None, values: Mapping[str, Any]
) -> None:
    """Raises InvalidSettings where words name what is there behind the gateway only.

    They would be left out; those of a preset are meant to be.
    """
    if values.get("protocol", preset.protocol if preset else None) is not None:
        return
    for setting in _FILLED:
        for word in _named(values.get(setting, ())):
            if word in AT_GATEWAY:
                raise InvalidSettings(
                    f"{place}: `{setting}` of {name} names {{{word}}}, and without `protocol` it "
                    f"has no gateway. Choose one ({', '.join(PROTOCOLS)}), or leave {{{word}}} out."
                )


def require_mode(place: str, name: str, known: tuple[str, ...], values: Mapping[str, Any]) -> None:
    """Raises InvalidSettings for a mode that is none of those known, where some are."""
    mode = values.get("permission_mode")
    if mode is not None and known and mode not in known:
        told = configuration.unknown("permission_mode", mode, known)
        raise InvalidSettings(f"{place}: for {name} {told}")


def modes(connector: str, preset: Program | None, values: Mapping[str, Any]) -> tuple[str, ...]:
    """What the program takes for a `permission_mode`; empty where nobody knows."""
    own = values.get("argv")
    # Of an ACP agent it is Conductor that is asked, and allows whatever is not denied.
    if connector == "acp" and "permission_mode" not in _named(own or ()):
        return (DENY,)
    # A command line of one's own may be for another version, which takes others.
    return preset.permission_modes if preset and own is None else ()


def _named(said: Mapping[str, str] | tuple[Words, ...]) -> list[str]:
    """What stands in braces in a command line, or in the values of variables."""
    each_words = said.values() if isinstance(said, Mapping) else said
    words = (word for each in each_words for word in ((each,) if isinstance(each, str) else each))
    return [name for word in words for name in _NAMED.findall(word)]
