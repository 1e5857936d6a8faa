"""Traces (OpenTelemetry), for those who collect them: FastAPI makes a span of each request, we of each call in it.

Without an endpoint nothing is recorded and the spans cost a few microseconds. The trace's id travels on in W3C
``traceparent`` headers, so that what others do for a request is found under it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from telltale_gateway.settings import Tracing

_NAME = "telltale-gateway"


def start_tracing(settings: Tracing) -> Callable[[], None]:
    """Have the spans of this process sent, where the settings say whither; what is returned sends the last of them.

    OpenTelemetry knows one provider in a process, so this is for whoever starts the process, and once.
    """
    if settings.endpoint is None:
        return lambda: None
    # Only here, because it takes time and memory that nobody should spend who does not trace.
    from telltale_asgi.spans import send_spans  # noqa: PLC0415

    return send_spans(_NAME, settings.endpoint, share=settings.sample)


@contextmanager
def call_span(name: str, **attributes: str | int) -> Iterator[None]:
    """The span of one call to somebody else."""
    tracer = trace.get_tracer(_NAME)
    with tracer.start_as_current_span(name, kind=trace.SpanKind.CLIENT, attributes=attributes):
        yield


def carried() -> dict[str, str]:
    """The headers that tell the other side which trace it works for; none where nothing is recorded."""
    headers: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(headers)
    return headers
