"""Ask a Triton server over HTTP (KServe v2 with its binary and repository extensions)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx
import numpy as np
from numpy.typing import NDArray
from telltale_contracts import DetectorManifest

from telltale_export.errors import ExportError
from telltale_export.packaging import OutputDims, triton_load_config

_LENGTH = "Inference-Header-Content-Length"
_TYPES = {"uint8": "UINT8", "float32": "FP32"}
_TIMEOUT_S = 120.0
_POLL_S = 0.1


class ServedByTriton:
    """One version of a detector on a Triton server."""

    def __init__(self, client: httpx.Client, manifest: DetectorManifest, version: int) -> None:
        self._client = client
        self._manifest = manifest
        self._version = version
        self._path = f"/v2/models/{manifest.name}/versions/{version}"

    @classmethod
    @contextmanager
    def at(cls, url: str, manifest: DetectorManifest, version: int) -> Iterator[ServedByTriton]:
        """The version on the server at a URL."""
        with httpx.Client(base_url=url, timeout=_TIMEOUT_S) as client:
            yield cls(client, manifest, version)

    def load(self, output_dims: OutputDims) -> None:
        """Have the server load exactly this version of the detector, and wait until it is ready.

        Args:
            output_dims: of its outputs, beside the batch.

        Raises:
            ExportError: the server does not load it; the message is the server's.
        """
        config = triton_load_config(self._manifest, self._version, output_dims)
        path = f"/v2/repository/models/{self._manifest.name}/load"
        self._ask("POST", path, json={"parameters": {"config": config}})
        until = time.monotonic() + _TIMEOUT_S
        while not self.ready():
            if time.monotonic() > until:
                raise ExportError(f"Triton did not load {self._manifest.name}.", "Look at the server's log.")
            time.sleep(_POLL_S)

    def ready(self) -> bool:
        """Whether the server has this version loaded.

        Raises:
            ExportError: the server does not answer.
        """
        try:
            return self._client.get(f"{self._path}/ready").status_code == httpx.codes.OK
        except httpx.TransportError as error:
            raise _unreachable(self._client, error) from error

    def answer(self, inputs: NDArray[np.generic], outputs: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """What the served version answers to items [N, ...]: each output by its name.

        Raises:
            ExportError: the server refuses, or does not answer.
        """
        batch = self._manifest.max_batch
        parts = [self._batch(inputs[start : start + batch], outputs) for start in range(0, len(inputs), batch)]
        return {name: np.concatenate([part[name] for part in parts]) for name in outputs}

    def _batch(self, inputs: NDArray[np.generic], outputs: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        content = np.ascontiguousarray(inputs).tobytes()
        entry = {
            "name": self._manifest.tensors.input,
            "shape": list(inputs.shape),
            "datatype": _TYPES[str(inputs.dtype)],
            "parameters": {"binary_data_size": len(content)},
        }
        wanted = [{"name": name, "parameters": {"binary_data": True}} for name in outputs]
        header = json.dumps({"inputs": [entry], "outputs": wanted}).encode()
        answer = self._ask(
            "POST",
            f"{self._path}/infer",
            content=header + content,
            headers={_LENGTH: str(len(header)), "Content-Type": "application/octet-stream"},
        )
        return _tensors(answer)

    def _ask(self, method: str, path: str, **body: object) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **body)  # type: ignore[arg-type]
        except httpx.TransportError as error:
            raise _unreachable(self._client, error) from error
        if answer.is_error:
            raise ExportError(
                f"Triton refused {self._manifest.name} {self._version}: {answer.text.strip()[:500]}",
                "Look at what it says; the version loads elsewhere (telltale-export check).",
            )
        return answer


def _unreachable(client: httpx.Client, error: httpx.TransportError) -> ExportError:
    return ExportError(f"Triton at {client.base_url} cannot be reached: {error}.", "Start it, or give its URL.")


def _tensors(answer: httpx.Response) -> dict[str, NDArray[np.float32]]:
    split = int(answer.headers[_LENGTH])
    tensors, rest = {}, memoryview(answer.content)[split:]
    for output in json.loads(answer.content[:split])["outputs"]:
        size = output["parameters"]["binary_data_size"]
        tensors[output["name"]] = np.frombuffer(rest[:size], np.float32).reshape(output["shape"])
        rest = rest[size:]
    return tensors
