"""The routes, a module for each resource."""

from conductor_app.api.routes import (
    health,
)

ALL = (
    health.api,
)
