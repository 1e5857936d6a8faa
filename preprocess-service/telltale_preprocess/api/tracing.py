"""Traces (OpenTelemetry): FastAPI makes a span of each request, in the trace of whoever asked."""

from __future__ import annotations

from collections.abc import Callable

from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace

_NAME = "telltale-preprocess"
# Whether spans are recorded is decided where the process starts, not by variables that others set.
TELEMETRY: TelemetryConfig = {"auto_configure": False, "operation_spans": False}


def start_tracing(endpoint: str | None) -> Callable[[], None]:
    """Have the spans of this process sent to an OTLP/HTTP endpoint; what is returned sends the last of them."""
    if endpoint is None:
        return lambda: None
    # Only here, because it takes time and memory that nobody should spend who does not trace.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": _NAME}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint)))
    trace.set_tracer_provider(provider)
    return provider.shutdown
