"""The control plane: decides what happens next; what touches a repository is done by workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from conductor_app.bootstrap import Conductor
    from conductor_app.settings import Settings

# Every process imports this package, and only servers need Flask: hence the imports inside.


def create_app(conductor: Conductor) -> Flask:
    """The API as a Flask application, all of it but the event streams."""
    from conductor_app.api.application import build

    return build(conductor)


def init_app(app: Flask, conductor: Conductor) -> None:
    """Serve the API below /api/v1 of a host application, beside what it serves itself."""
    from conductor_app.api.embedding import embed

    embed(app, create_app(conductor))


def initialize_orchestrator(app: Flask, settings: Settings | None = None) -> Conductor | None:
    """Do so with the environment's settings; None, and nothing, when ENABLE_ORCHESTRATOR is false.

    A data directory that nothing has run on yet is made ready. The caller closes the Conductor that
    it gets.
    """
    from conductor_app.bootstrap import connect
    from conductor_app.settings import Settings
    from conductor_app.settings_review import usable
    from conductor_app.stack.fresh import make_ready

    chosen = settings or Settings.load()
    if not chosen.enable_orchestrator:
        return None
    conductor = connect(usable(chosen))
    make_ready(chosen)
    init_app(app, conductor)
    return conductor
