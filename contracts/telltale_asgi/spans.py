"""Whither spans are sent (OpenTelemetry), and what they do not take with them: no query, and the route for the path.

Credentials come in queries, and a path may be what only its finder knows. The log leaves out both; so do the spans.
Imported by who has an endpoint only: the SDK takes time and memory that nobody should spend who does not trace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

_PATH, _ROUTE = "url.path", "http.route"
_LEFT_OUT = frozenset({_PATH, "url.query", "url.full", "http.target", "http.url"})


def send_spans(service: str, endpoint: str, *, share: float = 1.0) -> Callable[[], None]:
    """Have the spans of this process sent to an OTLP/HTTP endpoint; what is returned sends the last of them.

    ``share``: of the requests that nobody else decided about. OpenTelemetry knows one provider in a process, so this is
    for whoever starts the process, and once.
    """
    provider = TracerProvider(
        resource=Resource.create({"service.name": service}), sampler=ParentBased(TraceIdRatioBased(share))
    )
    provider.add_span_processor(BatchSpanProcessor(Discreet(OTLPSpanExporter(endpoint=endpoint))))
    trace.set_tracer_provider(provider)
    return provider.shutdown


class Discreet(SpanExporter):
    """Hands spans on to another exporter without what they are not to tell."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send them."""
        return self._exporter.export([_told(span) for span in spans])

    def shutdown(self) -> None:
        """Send no more."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what waits."""
        return self._exporter.force_flush(timeout_millis)


def _told(span: ReadableSpan) -> ReadableSpan:
    given = span.attributes or {}
    attributes = {name: value for name, value in given.items() if name not in _LEFT_OUT}
    if _PATH in given and _ROUTE in given:
        attributes[_PATH] = given[_ROUTE]
    return ReadableSpan(
        span.name,
        context=span.get_span_context(),
        parent=span.parent,
        resource=span.resource,
        attributes=attributes,
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
