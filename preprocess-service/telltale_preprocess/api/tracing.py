"""Traces (OpenTelemetry): FastAPI makes a span of each request, in the trace of whoever asked."""

from __future__ import annotations

from collections.abc import Callable

from fastapi.telemetry import TelemetryConfig

_NAME = "telltale-preprocess"
# Whether spans are recorded is decided where the process starts, not by variables that others set.
TELEMETRY: TelemetryConfig = {"auto_configure": False, "operation_spans": False}


def start_tracing(endpoint: str | None) -> Callable[[], None]:
    """Have the spans of this process sent to an OTLP/HTTP endpoint; what is returned sends the last of them."""
    if endpoint is None:
        return lambda: None
    # Only here, because it takes time and memory that nobody should spend who does not trace.
    from telltale_asgi.spans import send_spans  # noqa: PLC0415

    return send_spans(_NAME, endpoint)
