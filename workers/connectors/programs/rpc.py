"""JSON-RPC 2.0 with a program: a message a line, requests in both directions."""

import json
import time
from collections.abc import Callable
from typing import Any

from workers.sandbox.conversation import Conversation, Interrupted

Json = dict[str, Any]
NO_SUCH_METHOD = -32601
POLL_SECONDS = 0.1


def _never() -> bool:
    return False


class Refused(Exception):
    """A request is answered with an error: its code and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Peer:
    """One end of a conversation.

    While it waits for an answer it answers what it is asked, with `asked(method, params)`, which
    may raise Refused, and passes on what it is told, with `told(method, params)`. `heard` is given
    every line, `strange` counts those that are no message.
    """

    def __init__(
        self,
        conversation: Conversation,
        asked: Callable[[str, Json], Json],
        told: Callable[[str, Json], None],
        heard: Callable[[str], None],
    ) -> None:
        self._conversation = conversation
        self._asked = asked
        self._told = told
        self._heard = heard
        self._last = 0
        self.strange = 0

    def ask(
        self,
        method: str,
        params: Json,
        deadline: float,
        interrupted: Callable[[], bool] = _never,
    ) -> int:
        """Send a request; its number, to wait for the answer with.

        Raises TimeoutError, Interrupted, and Closed when the program has ended.
        """
        self._last += 1
        request = {"id": self._last, "method": method, "params": params}
        self._send(request, deadline, interrupted)
        return self._last

    def tell(self, method: str, params: Json, deadline: float) -> None:
        self._send({"method": method, "params": params}, deadline, _never)

    def answer(
        self, number: int, deadline: float, interrupted: Callable[[], bool] = _never
    ) -> Json:
        """The answer to that request. `deadline` is a time of `time.monotonic()`.

        Raises Refused, TimeoutError, Interrupted, and Closed when the program has ended.
        """
        while True:
            message = self._next(deadline, interrupted)
            if "method" in message:
                self._serve(message, deadline, interrupted)
            elif message.get("id") == number:
                if isinstance(error := message.get("error"), dict):
                    raise Refused(_code(error), _reason(error))
                result = message.get("result")
                return result if isinstance(result, dict) else {}

    def _next(self, deadline: float, interrupted: Callable[[], bool]) -> Json:
        while True:
            if interrupted():
                raise Interrupted
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            line = self._conversation.line(min(left, POLL_SECONDS))
            if line is None or not line.strip():
                continue
            self._heard(line)
            try:
                message = json.loads(line)
            except (ValueError, RecursionError):
                message = None
            if isinstance(message, dict):
                return message
            self.strange += 1

    def _serve(self, message: Json, deadline: float, interrupted: Callable[[], bool]) -> None:
        method, params = str(message["method"]), message.get("params")
        given = params if isinstance(params, dict) else {}
        if "id" not in message:
            self._told(method, given)
            return
        answer: Json = {"id": message["id"]}
        try:
            answer["result"] = self._asked(method, given)
        except Refused as refused:
            answer["error"] = {"code": refused.code, "message": refused.message}
        self._send(answer, deadline, interrupted)

    def _send(self, message: Json, deadline: float, interrupted: Callable[[], bool]) -> None:
        line = json.dumps({"jsonrpc": "2.0", **message})
        self._conversation.send(line, deadline, interrupted)


def _reason(error: Json) -> str:
    """Its message, which may be as little as `Internal error`, and what it says beyond that."""
    message, data = str(error.get("message") or "it says not why"), error.get("data")
    details = data.get("details", data) if isinstance(data, dict) else data
    if not details:
        return message
    return f"{message}: {details if isinstance(details, str) else json.dumps(details)}"


def _code(error: Json) -> int:
    code = error.get("code")
    return code if isinstance(code, int) else 0
