"""Where the key of a model's provider is found: the environment, a file, the keyring."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from pydantic import SecretStr

from conductor_app import masking
from conductor_app.errors import InvalidSettings

VARIABLES = {
    "claude": "ANTHROPIC_API_KEY",
    "claude2": "CONDUCTOR_CLAUDE2_API_KEY",
    "codex": "OPENAI_API_KEY",
    "deepseek": "DEEPSEEK_API_KEY",
}
# Whose key a connector uses that has none of its own.
SHARED = {"claude2": "claude"}
KEYRING_SERVICE = "conductor"


@dataclass(frozen=True)
class Key:
    """A key, never shown, and where it was found."""

    secret: SecretStr
    source: str


@dataclass(frozen=True)
class Choice:
    """What the settings say of a key: the variable or the file that has it."""

    variable: str | None = None
    file: Path | None = None

    def __bool__(self) -> bool:
        return self != Choice()


def find(connector: str, choices: Mapping[str, Choice], agent: str | None = None) -> Key | None:
    """The connector's key, else the one it shares; `choices` are those of connectors.

    A key for the agent alone, chosen as `connector/agent` or in the keyring by that name, goes
    before all others. Raises InvalidSettings, with the way out, when what is there is no key.
    """
    if agent is not None:
        of_agent = f"{connector}/{agent}"
        if choice := choices.get(of_agent):
            return _named(choice.variable) or _in_file(choice.file)
        if kept := _in_keyring(of_agent):
            return kept
    choice = choices.get(connector, Choice())
    own = _named(choice.variable) or _in_environment(VARIABLES[connector])
    own = own or _in_file(choice.file) or _in_keyring(connector)
    if own is None and connector in SHARED:
        return find(SHARED[connector], choices)
    return own


def advice(connector: str) -> str:
    """How to give the connector a key."""
    shared = f" (or {VARIABLES[SHARED[connector]]})" if connector in SHARED else ""
    return (
        f"Set {VARIABLES[connector]}{shared}, or `key_file` under `connectors: {connector}:` in "
        f"conductor.yml, or keep it in the keyring: `keyring set {KEYRING_SERVICE} {connector}`."
    )


def _named(variable: str | None) -> Key | None:
    """The key in the variable that somebody chose for it."""
    if variable is None:
        return None
    if key := _in_environment(variable):
        return key
    raise InvalidSettings(
        f"{variable}, which the settings name as `key_variable`, is not set where Conductor runs. "
        f"Set {variable} there, or remove `key_variable`."
    )


def _in_environment(variable: str) -> Key | None:
    return _key(os.environ.get(variable, ""), variable)


def _in_file(file: Path | None) -> Key | None:
    if file is None:
        return None
    path = file.expanduser()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InvalidSettings(
            f"The key file {path} can't be read: {reason}. Correct `key_file`, or let Conductor's "
            "user read it."
        ) from None
    if key := _key(text, f"the file {path}"):
        return key
    raise InvalidSettings(f"The key file {path} is empty. Write the key into it.")


def _in_keyring(connector: str) -> Key | None:
    """None also without the optional package, or where there is no keyring to ask."""
    try:
        keyring = import_module("keyring")
        failure = import_module("keyring.errors").KeyringError
    except ImportError:
        return None
    try:
        found = keyring.get_password(KEYRING_SERVICE, connector)
    except failure:
        return None
    return _key(found or "", "the keyring")


def _key(text: str, source: str) -> Key | None:
    key = text.strip()
    if not key:
        return None
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise InvalidSettings(
            f"What is in {source} is no key: it has spaces, line breaks or letters that no key "
            "has. Put nothing but the key there."
        )
    masking.know(key)
    return Key(SecretStr(key), source)
