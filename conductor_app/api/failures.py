"""Errors as HTTP answers, all in one shape: code, message, details, request_id."""

from http import HTTPStatus
from typing import Any

from flask import Flask, Response, current_app, g, jsonify
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge

from conductor_app import masking
from conductor_app.api.access import conductor
from conductor_app.api.requests import LARGEST_BODY
from conductor_app.errors import ConductorError, InvalidInput, NotFound, Refused
from conductor_app.store import database, schema

DATABASE_AWAY = (
    "The database does not answer. Whether the last request took effect is not known: send it "
    "again with the same Idempotency-Key. `conductor doctor` says what is wrong."
)

DISK_FULL = (
    "The disk of the database is full, and nothing was done for this request. Make room, then send "
    "it again."
)

AT_THE_SAME_TIME = (
    "Somebody else changed the same thing at the same moment, and nothing was done for this "
    "request. Send it again."
)


class InvalidFields(InvalidInput):
    """The request has fields that are missing, unknown or wrong."""

    code = "invalid_fields"


def answer_failures(app: Flask) -> None:
    app.register_error_handler(ConductorError, _refused)
    app.register_error_handler(HTTPException, _http_failure)
    app.register_error_handler(DBAPIError, _database_failure)
    app.register_error_handler(Exception, _unexpected)


def invalid_fields(error: ValidationError) -> InvalidFields:
    """What is wrong with a request, field by field, without repeating what was sent."""
    fields = [
        {"field": ".".join(map(str, each["loc"])), "message": _plain(each)}
        for each in error.errors(include_url=False, include_input=False)
    ]
    said = "; ".join(
        f"`{each['field']}`: {each['message']}" if each["field"] else each["message"]
        for each in fields
    )
    return InvalidFields(f"The request is not valid. {said}.", fields=fields)


def raise_invalid_fields(error: ValidationError) -> Response:
    """What flask-openapi calls with a request that its schemas refuse."""
    raise invalid_fields(error)


def _plain(mistake: ErrorDetails) -> str:
    context = mistake.get("ctx", {})
    # Of a text that is looked at before it is measured, pydantic counts items.
    of_text = context.get("field_type", "Value") == "Value"
    match mistake["type"]:
        case "extra_forbidden":
            return "there is no such field"
        case "too_short" | "string_too_short" if context["min_length"] == 1:
            return "it must not be empty"
        case "too_long" | "string_too_long" if of_text:
            return f"it may have at most {context['max_length']:,} characters"
    message = mistake["msg"].removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _refused(error: ConductorError) -> Response:
    response = _failure(error.status, error.code, error.message, error.details)
    if error.status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer realm="conductor"'
    return response


def _http_failure(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or 500)
    message = {
        HTTPStatus.NOT_FOUND: "There is nothing at this address; /openapi.json lists all.",
        HTTPStatus.METHOD_NOT_ALLOWED: "This address does not take that method.",
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (
            f"The body is larger than {LARGEST_BODY:,} bytes, which is the limit."
        ),
    }.get(status, error.description or status.description)
    code = {
        HTTPStatus.NOT_FOUND: NotFound.code,
        RequestEntityTooLarge.code: "body_too_large",
    }.get(status, status.name.lower())
    response = _failure(status, code, message)
    if isinstance(error, MethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return response


def _database_failure(error: DBAPIError) -> Response:
    if database.is_full(error):
        current_app.logger.error("The disk of the database is full")
        return _failure(HTTPStatus.SERVICE_UNAVAILABLE, "unreachable", DISK_FULL)
    if problem := schema.reason_of(error, conductor().database):
        current_app.logger.error("%s", problem.message)
        return _refused(problem)
    if isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated:
        current_app.logger.error("The database does not answer: %s", type(error.orig).__name__)
        return _failure(HTTPStatus.SERVICE_UNAVAILABLE, "unreachable", DATABASE_AWAY)
    if isinstance(error, IntegrityError):
        return _failure(HTTPStatus.CONFLICT, Refused.code, AT_THE_SAME_TIME)
    return _unexpected(error)


def _unexpected(error: Exception) -> Response:
    current_app.logger.exception("Request %s failed", g.request_id, exc_info=error)
    message = (
        f"Something went wrong in Conductor. The log of the API tells what, at {g.request_id}."
    )
    return _failure(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error", message)


def _failure(
    status: int, code: str, message: str, details: dict[str, Any] | None = None
) -> Response:
    error = {
        "code": code,
        "message": masking.words(message),
        "details": masking.within(details or {}),
        "request_id": g.request_id,
    }
    response = jsonify(success=False, error=error)
    response.status_code = int(status)
    return response
