"""A span (OpenTelemetry) for each request, in the trace of whoever asked; nothing without an endpoint."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_NAME = "telltale-preprocess"


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


class TracingMiddleware:
    """Whether it is recorded is decided by whoever asked first."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Work under a span."""
        if scope["type"] != "http" or scope["path"] != "/bundle":
            await self._app(scope, receive, send)
            return
        context = TraceContextTextMapPropagator().extract(Headers(scope=scope))
        tracer = trace.get_tracer(_NAME)
        with tracer.start_as_current_span("POST /bundle", context, kind=trace.SpanKind.SERVER) as span:

            async def noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                await send(message)

            await self._app(scope, receive, noted)
