"""Checks of kind `http`: requests to a service in order, and what the answers must be."""

import time
from typing import Any

from conductor_app.domain.workflow import HttpCheck, HttpRequest
from workers.bench import Bench
from workers.checks.expectations import MISSING, at, problems
from workers.checks.interpolation import UnknownReference, fill, fill_text
from workers.checks.result import Outcome
from workers.loopback_client import Answer, NoAnswer, encoded, send

BODY_EXCERPT = 500


def http(check: HttpCheck, bench: Bench) -> Outcome:
    """Stops at the first request that goes wrong: the later ones build on it."""
    service = bench.required_service(check)
    conversation = _Conversation(
        service.port, bench.check_variables(check), time.monotonic() + check.timeout
    )
    for number, request in enumerate(check.requests, start=1):
        wrong = conversation.exchange(request)
        if wrong:
            return Outcome(
                False,
                f"request {number}, {request.method} {request.path}: {'; '.join(wrong)}",
                conversation.evidence() | {"log": service.log_tail()},
            )
    return Outcome(
        True,
        f"{len(check.requests)} of {len(check.requests)} answers as expected",
        conversation.evidence(),
    )


class _Conversation:
    """What was said so far: the values saved from answers, and the evidence of each request."""

    def __init__(self, port: int, environment: dict[str, str], deadline: float) -> None:
        self._port = port
        self._deadline = deadline
        self._environment = environment
        self._saved: dict[str, Any] = {}
        self._requests: list[dict[str, Any]] = []

    def evidence(self) -> dict[str, Any]:
        return {"requests": self._requests}

    def exchange(self, request: HttpRequest) -> list[str]:
        """Sends one request and returns what is wrong with its answer."""
        record: dict[str, Any] = {
            "method": request.method,
            "path": request.path,
            "expected": _expected(request),
        }
        self._requests.append(record)
        try:
            answer = self._send(request, record)
            return self._judge(request, answer) + self._save(request, answer)
        except (NoAnswer, UnknownReference) as problem:
            return [str(problem)]

    def _send(self, request: HttpRequest, record: dict[str, Any]) -> Answer:
        """Sends the request with its references filled, and records what came back."""
        record["path"] = fill_text(request.path, self._saved, self._environment)
        headers = {
            name: fill_text(value, self._saved, self._environment)
            for name, value in request.headers.items()
        }
        body = None
        if "json_body" in request.model_fields_set:
            body = encoded(fill(request.json_body, self._saved, self._environment))
        answer = send(
            self._port,
            request.method,
            record["path"],
            deadline=self._deadline,
            body=body,
            headers=headers,
        )
        record |= {
            "status": answer.status,
            "body": answer.text[:BODY_EXCERPT],
            "ms": round(answer.seconds * 1000, 1),
        }
        return answer

    def _judge(self, request: HttpRequest, answer: Answer) -> list[str]:
        wrong = []
        if answer.status not in _statuses(request):
            wanted = " or ".join(map(str, _statuses(request)))
            wrong.append(f"status {answer.status}, expected {wanted}")
        wrong += [
            f"the body does not contain {text!r}"
            for text in request.body_contains
            if text not in answer.text
        ]
        return wrong + problems(answer.json, fill(request.expect, self._saved, self._environment))

    def _save(self, request: HttpRequest, answer: Answer) -> list[str]:
        found = {name: at(answer.json, path) for name, path in request.save.items()}
        self._saved |= {name: value for name, value in found.items() if value is not MISSING}
        return [
            f"nothing at {request.save[name]} to save as {name}"
            for name, value in found.items()
            if value is MISSING
        ]


def _statuses(request: HttpRequest) -> tuple[int, ...]:
    return (request.status,) if isinstance(request.status, int) else request.status


def _expected(request: HttpRequest) -> dict[str, Any]:
    expected: dict[str, Any] = {"status": list(_statuses(request))}
    if request.body_contains:
        expected["body_contains"] = list(request.body_contains)
    if request.expect:
        expected["json"] = dict(request.expect)
    return expected
