"""Builds the Flask application: the routes, and around them ids, token, failures and headers."""

from importlib.metadata import version

from flask import Flask
from flask_openapi.models.info import Info
from flask_openapi.models.security_scheme import SecurityScheme
from flask_openapi.openapi import OpenAPI

from conductor_app.api import authentication, docs, failures, headers, requests, routes
from conductor_app.api.access import EXTENSION
from conductor_app.api.resources import BEARER
from conductor_app.api.schemas.base import Failure
from conductor_app.bootstrap import Conductor

OPENAPI = "3.1.0"
SUMMARY = (
    "Drives AI agents through phase-gated workflows. Every answer is "
    '`{"success": true, "message", "data"}` or `{"success": false, "error": {"code", "message", '
    '"details", "request_id"}}`. Lists are pages: pass `next_cursor` as `cursor`. Every change '
    "takes an `Idempotency-Key`: the same request with the same key is answered the same way."
)


def build(conductor: Conductor) -> Flask:
    app = OpenAPI(
        "conductor_app",
        static_folder=None,
        info=Info(title="Conductor", version=version("conductor-app"), description=SUMMARY),
        security_schemes={BEARER: SecurityScheme(type="http", scheme="bearer")},
        validation_error_callback=failures.raise_invalid_fields,
        validation_error_model=Failure,
        doc_ui=False,
    )
    app.openapi_version = OPENAPI
    app.request_class = requests.Request
    app.extensions[EXTENSION] = conductor
    # In the order of the documents: success, message, data.
    app.json.sort_keys = False  # type: ignore[attr-defined]
    # A path with a slash too many is simply not there; nothing is redirected, bodies included.
    app.url_map.strict_slashes = True
    requests.number_requests(app)
    authentication.require_token(app, conductor.settings.api_token())
    failures.answer_failures(app)
    headers.add_headers(app)
    for each in routes.ALL:
        app.register_api(each)
    docs.serve(app)
    return app
