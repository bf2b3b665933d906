"""What a handler works with: the Conductor that its application was built on."""

from contextlib import AbstractContextManager

from flask import current_app

from conductor_app.bootstrap import Conductor
from conductor_app.store.database import Transaction

EXTENSION = "conductor"


def conductor() -> Conductor:
    found: Conductor = current_app.extensions[EXTENSION]
    return found


def reading() -> AbstractContextManager[Transaction]:
    return conductor().read()


def connector() -> str:
    """The installation's connector, which read models are told."""
    return conductor().settings.default_connector
