"""The description of the API (OpenAPI 3.1) and a page to read it, both without the network."""

import re
from importlib import resources
from typing import Any

from flask import Blueprint, Response, jsonify
from flask_openapi.openapi import OpenAPI

from conductor_app.api.mutations import KEY_HEADER
from conductor_app.api.schemas.base import FAILURES, Success

MUTATIONS = frozenset({"post", "put", "patch", "delete"})
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Conductor API</title>
<link rel="stylesheet" href="/docs/assets/css/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="/docs/assets/js/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
START = 'SwaggerUIBundle({url: "/openapi.json", dom_id: "#api", deepLinking: true});\n'
# Swagger UI sets styles on elements; scripts come from here only.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " connect-src 'self'; frame-ancestors 'none'"
)
IDEMPOTENCY_KEY = {
    "name": KEY_HEADER,
    "in": "header",
    "required": False,
    "description": "The same request with the same key has one effect and one answer",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}


def serve(app: OpenAPI) -> None:
    """Serve /openapi.json and /docs."""
    assets = resources.files("flask_openapi_swagger") / "templates" / "swagger"
    pages = Blueprint("docs", __name__, static_folder=str(assets), static_url_path="/docs/assets")
    specification: list[dict[str, Any]] = []

    def describe() -> Response:
        if not specification:
            specification.append(_completed(app.api_doc))
        return jsonify(specification[0])

    pages.add_url_rule("/openapi.json", view_func=describe)
    pages.add_url_rule("/docs", "page", lambda: _with_policy(PAGE, "text/html"))
    pages.add_url_rule("/docs/start.js", "start", lambda: _with_policy(START, "text/javascript"))
    app.register_blueprint(pages)


def _with_policy(text: str, mimetype: str) -> Response:
    return Response(text, mimetype=mimetype, headers={"Content-Security-Policy": POLICY})


def _completed(document: dict[str, Any]) -> dict[str, Any]:
    """Add what holds for every operation and is therefore declared at none."""
    document["components"]["schemas"]["Success"] = Success.model_json_schema()
    for path, item in document["paths"].items():
        for method, operation in item.items():
            operation["operationId"] = re.sub(r"\W+", "_", f"{method}{path}").rstrip("_")
            # The library knows lists of errors only, where no refusal is declared.
            operation["responses"]["422"] = FAILURES[422]
            if method in MUTATIONS:
                operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
    return document
