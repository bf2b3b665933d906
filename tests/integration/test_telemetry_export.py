"""A process exports by OTLP, in the end at the latest, and does without a collector as well."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator

import pytest

from tests.fakes.otlp_receiver import Collector, collector

PASSWORD = "canary-of-the-collector-8f3c1"
PROGRAM = """
    import os, sys, time
    from conductor_app import logs, masking, telemetry
    logs.set_up("worker", "json")
    masking.know_environment(os.environ)
    telemetry.start("worker", **{"conductor.worker.role": "agent"})
    with telemetry.span("outer", {"a": 1, "nothing": None}):
        with telemetry.span("inner", kind="client") as span:
            span.fail("API_LIMIT", "no way in with " + sys.argv[1])
    telemetry.record("conductor.call.cost", 0.5, {"gen_ai.request.model": "m"})
    telemetry.record("conductor.queue.jobs", 3, {"conductor.queue.name": "system"})
    began = time.monotonic()
    telemetry.stop()
    print("stopped", time.monotonic() - began < 10)
"""


@pytest.fixture
def received() -> Iterator[Collector]:
    with collector() as kept:
        yield kept


def run(**environ: str) -> subprocess.CompletedProcess[str]:
    # Only the flush in the end exports: no test waits for an interval.
    intervals = {"OTEL_BSP_SCHEDULE_DELAY": "600000", "OTEL_METRIC_EXPORT_INTERVAL": "600000"}
    headers = {"OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{PASSWORD}"}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), PASSWORD],
        env={**os.environ, **intervals, **headers, **environ},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_what_was_told_arrives(received: Collector) -> None:
    ran = run(OTEL_EXPORTER_OTLP_ENDPOINT=received.url)
    assert ran.stdout == "stopped True\n", ran.stderr
    (outer,), (inner,) = received.named("outer"), received.named("inner")
    assert outer.service == "conductor-worker"
    assert outer.attributes == {"a": 1}
    assert inner.parent == outer.id
    assert inner.failed
    assert inner.attributes == {"error.type": "API_LIMIT"}
    (cost,), (jobs,) = (
        received.metrics["conductor.call.cost"],
        received.metrics["conductor.queue.jobs"],
    )
    assert (cost.unit, cost.sum.data_points[0].as_double) == ("{USD}", 0.5)
    assert jobs.gauge.data_points[0].as_int == 3
    assert PASSWORD.encode() not in b"".join(received.raw)


def test_only_what_is_asked_for_is_exported(received: Collector) -> None:
    ran = run(OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=f"{received.url}/v1/metrics")
    assert ran.stdout == "stopped True\n", ran.stderr
    assert received.metrics
    assert not received.spans


def test_the_environment_names_the_service(received: Collector) -> None:
    run(OTEL_EXPORTER_OTLP_ENDPOINT=received.url, OTEL_SERVICE_NAME="mine")
    assert received.named("outer")[0].service == "mine"


def test_a_collector_that_is_away_harms_nothing() -> None:
    ran = run(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert ran.stdout == "stopped True\n", ran.stderr
    assert PASSWORD not in ran.stderr


def test_without_the_extra_it_says_so() -> None:
    blocked = textwrap.dedent("""
        import sys
        sys.modules["opentelemetry.sdk"] = None
        sys.modules["opentelemetry.sdk.metrics"] = None
        from conductor_app import logs, telemetry
        logs.set_up("worker")
        telemetry.start("worker")
        print(telemetry.on())
    """)
    environ = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    ran = subprocess.run(
        [sys.executable, "-c", blocked], env=environ, capture_output=True, text=True, timeout=60
    )
    assert ran.stdout == "False\n"
    assert "pip install conductor-app[otel]" in ran.stderr
