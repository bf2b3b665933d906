"""How every resource's routes are declared: below /api/v1, with the token, in one error shape."""

from flask_openapi.blueprint import APIBlueprint
from flask_openapi.models.tag import Tag

from conductor_app.api.embedding import PREFIX
from conductor_app.api.schemas.base import FAILURES

BEARER = "bearer"


def resource(name: str, description: str, path: str = "") -> APIBlueprint:
    """A blueprint for routes that ask for the token."""
    return APIBlueprint(
        name,
        __name__,
        url_prefix=f"{PREFIX}{path}",
        abp_tags=[Tag(name=name, description=description)],
        abp_security=[{BEARER: []}],
        abp_responses=FAILURES,
    )


def open_resource(name: str, description: str) -> APIBlueprint:
    """A blueprint for routes that everybody may call; `authentication.OPEN` lists them."""
    return APIBlueprint(
        name, __name__, url_prefix=PREFIX, abp_tags=[Tag(name=name, description=description)]
    )
