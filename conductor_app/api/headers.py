"""The headers that every answer carries: the request's id, and what keeps browsers safe."""

from flask import Flask, Response, g

from conductor_app.api.requests import REQUEST_ID_HEADER

# No CORS headers: scripts of other origins read nothing here.
SAFE = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


def add_headers(app: Flask) -> None:
    def add(response: Response) -> Response:
        response.headers[REQUEST_ID_HEADER] = g.request_id
        for name, value in SAFE.items():
            response.headers.setdefault(name, value)
        return response

    app.after_request(add)
