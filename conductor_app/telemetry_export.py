"""Providers that export by OTLP over HTTP; needs the extra `otel`, and its standard variables."""

import os
from collections.abc import Mapping
from importlib.metadata import version

from opentelemetry import metrics as metrics_api
from opentelemetry import trace as trace_api
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def providers(
    service: str, *, traces: bool, metrics: bool, instance: Mapping[str, str]
) -> tuple[TracerProvider | None, MeterProvider | None]:
    """For this process; endpoints, headers, intervals and limits come from OTEL_* variables.

    Agents in Python, and whatever else runs here, find them by the API of OpenTelemetry.
    """
    resource = Resource.create(_described(service, instance))
    tracers = meters = None
    if traces:
        tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace_api.set_tracer_provider(tracers)
    if metrics:
        reader = PeriodicExportingMetricReader(OTLPMetricExporter())
        meters = MeterProvider([reader], resource=resource, shutdown_on_exit=False)
        metrics_api.set_meter_provider(meters)
    return tracers, meters


def _described(service: str, instance: Mapping[str, str]) -> dict[str, str]:
    """What the environment says of the service is not overruled."""
    said = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    known = {"service.version": version("conductor-app"), **instance}
    if not os.environ.get("OTEL_SERVICE_NAME") and "service.name=" not in said:
        known["service.name"] = service
    return known
