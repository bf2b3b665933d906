"""The facts of an execution as they happen: server-sent events, resumed after Last-Event-ID."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from conductor_app.api import authentication
from conductor_app.api.headers import SAFE
from conductor_app.api.requests import REQUEST_ID_HEADER
from conductor_app.bootstrap import Conductor
from conductor_app.errors import ConductorError, InvalidInput, Unreachable
from conductor_app.ids import new_id
from conductor_app.store import schema
from conductor_app.views import current, lists

POLL_SECONDS = 0.5
# Proxies close connections on which nothing is said.
SILENCE_SECONDS = 15.0
AT_ONCE = 200


def serve_events(
    conductor: Conductor, ends: Callable[[], bool]
) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint `/events?execution=ID`: one event a fact, its number as the event's id.

    The streams end by themselves when their server `ends`; readers go on with the next one.
    """
    token = conductor.settings.api_token()

    async def events(request: Request) -> Response:
        try:
            authentication.check(request.headers.get("authorization"), token)
            execution_id, after = _asked(request)
            await run_in_threadpool(_check, conductor, execution_id)
        except ConductorError as error:
            return _failure(error)
        except DBAPIError as error:
            problem = schema.reason_of(error, conductor.database)
            return _failure(problem or Unreachable("The database does not answer. Try again."))
        follow = _follow(conductor, f"execution:{execution_id}", after, ends)
        return StreamingResponse(follow, media_type="text/event-stream", headers=SAFE)

    return events


def _asked(request: Request) -> tuple[str, int]:
    execution_id = request.query_params.get("execution")
    if not execution_id:
        raise InvalidInput("Say which execution: /events?execution=ID.")
    after = request.headers.get("last-event-id", "0")
    if not (after.isascii() and after.isdigit() and len(after) < 16):
        raise InvalidInput(f"Last-Event-ID is {after!r}; it must be the number of an event.")
    return execution_id, int(after)


def _check(conductor: Conductor, execution_id: str) -> None:
    with conductor.read() as tx:
        current.execution(tx, execution_id)


async def _follow(
    conductor: Conductor, stream: str, after: int, ends: Callable[[], bool]
) -> AsyncIterator[str]:
    said = time.monotonic()
    while not ends():
        found = await run_in_threadpool(_read, conductor, stream, after)
        for each in found:
            after = each["number"]
            yield f"id: {after}\nevent: {each['type']}\ndata: {json.dumps(each)}\n\n"
        now = time.monotonic()
        if found:
            said = now
            continue
        if now - said > SILENCE_SECONDS:
            said = now
            yield ": still here\n\n"
        await asyncio.sleep(POLL_SECONDS)


def _read(conductor: Conductor, stream: str, after: int) -> Sequence[dict[str, Any]]:
    with conductor.read() as tx:
        return lists.events(tx, stream, after=after, limit=AT_ONCE).items


def _failure(error: ConductorError) -> Response:
    request_id = new_id()
    said = {"code": error.code, "message": error.message, "details": error.details}
    body = {"success": False, "error": {**said, "request_id": request_id}}
    return JSONResponse(body, error.status, headers={**SAFE, REQUEST_ID_HEADER: request_id})
