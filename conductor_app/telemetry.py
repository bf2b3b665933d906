"""OpenTelemetry: traces and metrics, only where its standard variables ask for them.

Where nobody asks nothing of it is imported, and a span costs a microsecond. A process starts it
once, after every fork; a provider that somebody else has set up (an application around Conductor,
`opentelemetry-instrument`) is used as it is.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from conductor_app import logs, masking
from conductor_app.metrics_specs import METRICS

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider

NAME = "conductor"
Attributes = Mapping[str, Any]
# How long the end of a process may take to export what is left, in seconds.
LAST_EXPORT = 5.0


class Span(Protocol):
    """What is being done; told more about while it lasts."""

    def set(self, attributes: Attributes) -> None: ...

    def fail(self, kind: str, message: str) -> None:
        """It came to nothing; the kind is one of few."""
        ...


class _NoSpan:
    def set(self, attributes: Attributes) -> None:
        """Nobody wants to know."""

    def fail(self, kind: str, message: str) -> None:
        """Nobody wants to know."""


@dataclass(frozen=True)
class _Telemetry:
    """What is used while it is on."""

    tracer: "Tracer"
    meters: "MeterProvider | None"
    instruments: dict[str, Any] = field(default_factory=dict)
    # Ours to be flushed at the end.
    own: tuple[Any, ...] = ()


NO_SPAN: Span = _NoSpan()
_NOTHING: Mapping[str, str] = {}
_telemetry: _Telemetry | None = None


def start(process: str, **instance: str) -> None:
    """Begin, if it is asked for: `process` is api, worker or beat."""
    set_up = sys.modules.get("opentelemetry.trace")
    if set_up is not None and not _is_proxy(set_up.get_tracer_provider()):
        use(set_up.get_tracer_provider(), _meters_set_up())
        return
    traces, metrics = _asked("TRACES"), _asked("METRICS")
    if not traces and not metrics:
        return
    try:
        providers = import_module("conductor_app.telemetry_export").providers(
            f"{NAME}-{process}", traces=traces, metrics=metrics, instance=instance
        )
    except ImportError as missing:
        logs.warning("telemetry_missing", error=missing)
        return
    use(*providers, own=True)


def use(
    tracers: "TracerProvider | None", meters: "MeterProvider | None", *, own: bool = False
) -> None:
    """Let spans and figures go to these providers, with `own` to be flushed by `stop`."""
    global _telemetry
    from importlib.metadata import version

    from opentelemetry import trace

    tracers_ = tracers or trace.NoOpTracerProvider()
    kept = tuple(each for each in (tracers, meters) if each is not None) if own else ()
    _telemetry = _Telemetry(tracers_.get_tracer(NAME, version("conductor-app")), meters, own=kept)


def stop() -> None:
    """Export what is left, within a few seconds; nothing is recorded from here on."""
    global _telemetry
    ended, _telemetry = _telemetry, None
    deadline = time.monotonic() + LAST_EXPORT
    # Beside each other, and left behind where a collector is away: their patience is longer.
    work = [
        threading.Thread(target=provider.shutdown, name="last export", daemon=True)
        for provider in (ended.own if ended else ())
    ]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join(max(0.0, deadline - time.monotonic()))


@contextmanager
def running(process: str) -> Iterator[None]:
    """Started and stopped around the block."""
    start(process)
    try:
        yield
    finally:
        stop()


def on() -> bool:
    return _telemetry is not None


def wants_content() -> bool:
    """Whether prompts, answers and what tools say may be in spans: the conventions' opt-in."""
    chosen = os.environ.get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "").lower()
    return on() and chosen in ("true", "span_only", "span_and_event")


@contextmanager
def span(
    name: str,
    attributes: Attributes = _NOTHING,
    kind: str = "internal",
    *,
    fine: tuple[type[Exception], ...] = (),
) -> Iterator[Span]:
    """A span of what is done inside, below the one around it; `kind` as OpenTelemetry calls it.

    An exception makes it fail, unless it is one of those that are `fine`; only its kind and its
    words are kept, masked.
    """
    if _telemetry is None:
        yield NO_SPAN
        return
    from opentelemetry.trace import SpanKind

    with _telemetry.tracer.start_as_current_span(
        name,
        kind=SpanKind[kind.upper()],
        attributes=_given(attributes),
        record_exception=False,
        set_status_on_exception=False,
    ) as begun:
        live = _LiveSpan(begun)
        try:
            yield live
        except fine:
            raise
        except Exception as problem:
            live.fail(kind_of(problem), str(problem))
            raise


def kind_of(problem: Exception) -> str:
    """What `error.type` calls it: one of few words."""
    return str(getattr(problem, "kind", None) or type(problem).__name__)


def record(metric: str, value: float, attributes: Attributes = _NOTHING) -> None:
    """A figure for one of the metrics of `metrics_specs`."""
    if _telemetry is None or _telemetry.meters is None:
        return
    instrument = _telemetry.instruments.get(metric) or _instrument(_telemetry, metric)
    if METRICS[metric].kind == "histogram":
        instrument.record(value, _given(attributes))
    elif METRICS[metric].kind == "counter":
        instrument.add(value, _given(attributes))
    else:
        instrument.set(value, _given(attributes))


def carrier() -> Mapping[str, str]:
    """The context of the span around, as headers of a message; empty without one."""
    if _telemetry is None:
        return _NOTHING
    from opentelemetry.propagate import inject

    headers: dict[str, str] = {}
    inject(headers)
    return headers


@contextmanager
def continued(headers: Mapping[str, Any] | None) -> Iterator[None]:
    """Within the block spans are below the one whose context these headers carry."""
    if _telemetry is None or not headers:
        yield
        return
    from opentelemetry import context
    from opentelemetry.propagate import extract

    # HTTP writes them as it likes.
    words = {name.lower(): each for name, each in headers.items() if isinstance(each, str)}
    token = context.attach(extract(words))
    try:
        yield
    finally:
        context.detach(token)


def trace_id() -> str | None:
    """Of the span around, as hexadecimal; None without one."""
    if _telemetry is None:
        return None
    from opentelemetry import trace

    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else None


class _LiveSpan:
    def __init__(self, span: Any) -> None:
        self._span = span

    def set(self, attributes: Attributes) -> None:
        self._span.set_attributes(_given(attributes))

    def fail(self, kind: str, message: str) -> None:
        from opentelemetry.trace import Status, StatusCode

        self._span.set_attribute("error.type", kind)
        self._span.set_status(Status(StatusCode.ERROR, masking.words(message)))


def _instrument(telemetry: _Telemetry, metric: str) -> Any:
    assert telemetry.meters is not None
    meter = telemetry.meters.get_meter(NAME)
    spec = METRICS[metric]
    make = getattr(meter, f"create_{spec.kind}")
    more = {"explicit_bucket_boundaries_advisory": spec.buckets} if spec.buckets else {}
    made = make(metric, unit=spec.unit, description=spec.description, **more)
    telemetry.instruments[metric] = made
    return made


def _given(attributes: Attributes) -> dict[str, Any]:
    """Without those that nobody knows; texts masked."""
    return {name: masking.within(value) for name, value in attributes.items() if value is not None}


def _asked(signal: str) -> bool:
    environ = os.environ
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    chosen = environ.get(f"OTEL_{signal}_EXPORTER")
    if chosen:
        return "otlp" in (each.strip() for each in chosen.split(","))
    endpoints = (f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return any(environ.get(name) for name in endpoints)


def _is_proxy(provider: Any) -> bool:
    return type(provider).__name__ == "ProxyTracerProvider"


def _meters_set_up() -> "MeterProvider":
    from opentelemetry import metrics

    return metrics.get_meter_provider()
