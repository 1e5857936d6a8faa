"""One request, one trace: the gateway's spans and preprocessing's reach a collector under one id."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from PIL import Image

from tests import clips
from tests.integration.stack import RunningStack, running_stack

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Collector:
    """Takes OTLP over HTTP on loopback, and keeps each span with the name of the service that sent it."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                sent = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
                for resource in sent.resource_spans:
                    name = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
                    collector.spans += [(name, span) for scope in resource.scope_spans for span in scope.spans]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.endpoint = f"http://127.0.0.1:{self.server.server_address[1]}/v1/traces"

    def of_the_trace(self, trace: str = TRACE) -> list[tuple[str, Span]]:
        """The spans of the request that the test sends."""
        return [(service, span) for service, span in self.spans if span.trace_id.hex() == trace]


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    running = Collector()
    thread = threading.Thread(target=running.server.serve_forever, args=(0.01,))
    thread.start()
    yield running
    running.server.shutdown()
    thread.join()
    running.server.server_close()


@pytest.fixture(scope="module")
def traced(
    collector: Collector, toy_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningStack]:
    settings = {
        "TELLTALE_TRACING__ENDPOINT": collector.endpoint,
        "TELLTALE_PREPROCESS_TRACING_ENDPOINT": collector.endpoint,
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    repository = shutil.copytree(toy_repository, tmp_path_factory.mktemp("traced-repository") / "model-repository")
    with running_stack(repository, tmp_path_factory.mktemp("traced"), settings) as running:
        yield running


def test_the_services_spans_hang_together_under_the_caller_s(
    traced: RunningStack, collector: Collector, media: dict[str, Path]
) -> None:
    with media["still"].open("rb") as stream:
        answer = traced.client.post(
            "/predict", files={"file": stream}, headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}
        )
    assert answer.status_code == 200, answer.text
    traced.wait_until(
        lambda: {"POST /predict", "POST /bundle", "detect"} <= {span.name for _, span in collector.of_the_trace()},
        30,
        "the spans did not arrive",
    )
    spans = {(service, span.name): span for service, span in collector.of_the_trace()}
    request = spans["telltale-gateway", "POST /predict"]
    call = spans["telltale-gateway", "preprocess"]
    assert request.parent_span_id.hex() == PARENT
    assert call.parent_span_id == request.span_id
    assert spans["telltale-preprocess", "POST /bundle"].parent_span_id == call.span_id
    assert spans["telltale-gateway", "detect"].parent_span_id == request.span_id


def test_of_an_upload_that_is_sent_on_preprocessing_s_span_lies_where_it_began(
    traced: RunningStack, collector: Collector, tmp_path: Path
) -> None:
    trace = TRACE[1:] + "0"
    large = tmp_path / "large.png"
    Image.fromarray(clips.portrait()).resize((1024, 1024)).save(large, compress_level=0)
    with large.open("rb") as stream:
        headers = {"traceparent": f"00-{trace}-{PARENT}-01"}
        assert traced.client.post("/predict", files={"file": stream}, headers=headers).status_code == 200
    names = {"POST /predict", "POST /bundle", "preprocess ahead", "preprocess"}
    traced.wait_until(
        lambda: names <= {span.name for _, span in collector.of_the_trace(trace)}, 30, "the spans did not arrive"
    )
    spans = {span.name: span for _, span in collector.of_the_trace(trace)}
    ahead, bundle = spans["preprocess ahead"], spans["POST /bundle"]
    assert bundle.parent_span_id == ahead.span_id
    assert ahead.parent_span_id == spans["preprocess"].parent_span_id == spans["POST /predict"].span_id
    assert ahead.start_time_unix_nano <= bundle.start_time_unix_nano
    assert ahead.start_time_unix_nano <= spans["preprocess"].start_time_unix_nano


def test_what_only_the_sender_was_to_know_does_not_leave(traced: RunningStack, collector: Collector) -> None:
    headers = {"traceparent": f"00-{TRACE[::-1]}-{PARENT}-01"}
    traced.client.get("/visualization/unguessable.png?api_key=secret", headers=headers)
    traced.wait_until(lambda: bool(collector.of_the_trace(TRACE[::-1])), 30, "the span did not arrive")
    ((_, span),) = collector.of_the_trace(TRACE[::-1])
    told = {each.key: each.value.string_value for each in span.attributes}
    assert told["url.path"] == told["http.route"] == "/visualization/{filename}"
    assert "secret" not in str(span)
    assert "unguessable" not in str(span)
