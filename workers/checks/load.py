"""Checks of kind `load`: concurrent users of a service, with bounds on latency and errors."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from math import ceil
from threading import Barrier
from typing import Any

from conductor_app.domain.workflow import LoadCheck
from workers.bench import Bench
from workers.checks.result import Outcome
from workers.loopback_client import NoAnswer, encoded, send

FIRST_ERROR_STATUS = 400
ERRORS_SHOWN = 5
# A machine that can't start all the users' threads is not left waiting for them.
START_SECONDS = 30.0


@dataclass(frozen=True)
class Sample:
    """One request of one user; `error` None when it was answered with a status below 400."""

    seconds: float
    error: str | None


def load(check: LoadCheck, bench: Bench) -> Outcome:
    service = bench.required_service(check)
    started = time.monotonic()
    samples = _simulate(check, service.port, deadline=started + check.timeout)
    figures = _figures(samples, time.monotonic() - started)
    evidence = {"method": check.method, "path": check.path, "users": check.users, **figures}
    wrong = []
    if figures["errors"] > check.max_errors:
        wrong.append(f"{figures['errors']} errors, allowed {check.max_errors}")
    if figures["p95_ms"] > check.max_p95_ms:
        wrong.append(f"p95 {figures['p95_ms']} ms, allowed {check.max_p95_ms:g} ms")
    summary = f"{figures['requests']} requests by {check.users} users, p95 {figures['p95_ms']} ms"
    return Outcome(not wrong, "; ".join(wrong) or summary, evidence)


def percentile(values: Sequence[float], per_cent: float) -> float:
    """The nearest-rank percentile of at least one value."""
    ordered = sorted(values)
    return ordered[max(ceil(len(ordered) * per_cent / 100) - 1, 0)]


def _simulate(check: LoadCheck, port: int, deadline: float) -> list[Sample]:
    """All users begin together; each sends its requests one after the other."""
    together = Barrier(check.users, timeout=START_SECONDS)
    body = encoded(check.json_body) if "json_body" in check.model_fields_set else None

    def user(_: int) -> list[Sample]:
        together.wait()
        return [_request(check, port, body, deadline) for _ in range(check.requests_per_user)]

    with ThreadPoolExecutor(check.users) as users:
        return list(chain.from_iterable(users.map(user, range(check.users))))


def _request(check: LoadCheck, port: int, body: bytes | None, deadline: float) -> Sample:
    started = time.monotonic()
    try:
        status = send(port, check.method, check.path, deadline=deadline, body=body).status
    except NoAnswer as problem:
        return Sample(time.monotonic() - started, str(problem))
    error = f"status {status}" if status >= FIRST_ERROR_STATUS else None
    return Sample(time.monotonic() - started, error)


def _figures(samples: list[Sample], seconds: float) -> dict[str, Any]:
    latencies = [sample.seconds * 1000 for sample in samples]
    errors = [sample.error for sample in samples if sample.error]
    return {
        "requests": len(samples),
        "errors": len(errors),
        "first_errors": errors[:ERRORS_SHOWN],
        "p50_ms": round(percentile(latencies, 50), 1),
        "p95_ms": round(percentile(latencies, 95), 1),
        "max_ms": round(max(latencies), 1),
        "requests_per_second": round(len(samples) / seconds, 1),
    }
