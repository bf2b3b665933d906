"""Where the key of a model's provider is found: the environment, a file, the keyring."""

import os
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


def find(connector: str, files: dict[str, Path | None]) -> Key | None:
    """The connector's key, else the one it shares; `files` are the key files by connector.

    Raises InvalidSettings when what is there is no key.
    """
    own = _in_environment(VARIABLES[connector])
    own = own or _in_file(files.get(connector)) or _in_keyring(connector)
    if own is None and connector in SHARED:
        return find(SHARED[connector], files)
    return own


def advice(connector: str) -> str:
    """How to give the connector a key."""
    shared = f" (or {VARIABLES[SHARED[connector]]})" if connector in SHARED else ""
    return (
        f"Set {VARIABLES[connector]}{shared} where Conductor runs, or write the key to a file and "
        f"name that as `key_file` of `connectors: {connector}:` in conductor.yml in the data "
        f"directory, or keep it in the keyring: `keyring set {KEYRING_SERVICE} {connector}`."
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
        raise InvalidSettings(f"The key file {path} can't be read: {reason}.") from None
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
            f"What is in {source} is no key: it has spaces, line breaks or letters that no key has."
        )
    masking.know(key)
    return Key(SecretStr(key), source)
