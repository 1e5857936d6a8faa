"""The stand-in over REST: status, metadata and predict, as TensorFlow Serving's REST API words them."""

from __future__ import annotations

import json
import logging
import re
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from google.protobuf import json_format
from telltale_tfserving import (
    Code,
    GetModelMetadataRequest,
    GetModelStatusRequest,
    ModelSpec,
    SignatureDefMap,
)

from telltale_local.standin import _prediction, _rest_tensors
from telltale_local.standin._registry import Registry
from telltale_local.standin._status import InvalidArgument, ServingError

logger = logging.getLogger(__name__)

PATH = re.compile(
    r"^/v1/models/(?P<name>[^/:]+)(?:/versions/(?P<version>[0-9]+)|/labels/(?P<label>[^/:]+))?(?P<verb>:predict|/metadata)?$"
)
LARGEST_BODY = 256 << 20
HTTP_STATUS = {
    Code.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.FAILED_PRECONDITION: HTTPStatus.PRECONDITION_FAILED,
}


def rest_server(registry: Registry, host: str, port: int) -> ThreadingHTTPServer:
    """A server bound to ``host`` and ``port``; ``serve_forever`` runs it, each request in a thread.

    Raises:
        OSError: the port is in use.
    """

    class Handler(_Handler):
        served = registry

    server = ThreadingHTTPServer((host, port), Handler)
    server.daemon_threads = True
    return server


class _Handler(BaseHTTPRequestHandler):
    served: Registry
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle({None: self._status, "/metadata": self._metadata})

    def do_POST(self) -> None:
        self._handle({":predict": self._predict})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 the base class calls it so
        logger.debug(format, *args)

    def _handle(self, verbs: dict[str | None, Any]) -> None:
        match = PATH.match(self.path)
        body = self._body()
        if body is None:
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": "the body is missing its length, or too large"})
        elif match is None or match["verb"] not in verbs:
            self._answer(HTTPStatus.NOT_FOUND, {"error": f"Malformed request: {self.command} {self.path}"})
        else:
            try:
                self._answer(HTTPStatus.OK, verbs[match["verb"]](_spec(match), body))
            except ServingError as error:
                status = HTTP_STATUS.get(error.code, HTTPStatus.INTERNAL_SERVER_ERROR)
                self._answer(status, {"error": str(error)})

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0" if self.command == "GET" else "")
        if not length.isdecimal() or int(length) > LARGEST_BODY:
            self.close_connection = True
            return None
        return self.rfile.read(int(length))

    def _status(self, spec: ModelSpec, _: bytes) -> Any:
        response = _prediction.model_status(self.served, GetModelStatusRequest(model_spec=spec))
        return json_format.MessageToDict(response, always_print_fields_with_no_presence=True)

    def _metadata(self, spec: ModelSpec, _: bytes) -> Any:
        request = GetModelMetadataRequest(model_spec=spec, metadata_field=[_prediction.SIGNATURES])
        response = _prediction.model_metadata(self.served, request)
        signatures = SignatureDefMap()
        response.metadata[_prediction.SIGNATURES].Unpack(signatures)
        shown = json_format.MessageToDict(
            signatures, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
        )
        version = str(response.model_spec.version.value)
        return {
            "model_spec": {"name": spec.name, "signature_name": "", "version": version},
            "metadata": {_prediction.SIGNATURES: shown},
        }

    def _predict(self, spec: ModelSpec, body: bytes) -> Any:
        try:
            document = json.loads(body)
        except ValueError as error:
            raise InvalidArgument(f"JSON Parse error: {error}") from error
        return _rest_tensors.predict(self.served.find(spec), document)

    def _answer(self, status: HTTPStatus, document: Any) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _spec(match: re.Match[str]) -> ModelSpec:
    spec = ModelSpec(name=match["name"])
    if match["version"]:
        spec.version.value = int(match["version"])
    elif match["label"]:
        spec.version_label = match["label"]
    return spec
