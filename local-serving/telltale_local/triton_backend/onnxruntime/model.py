"""Triton's onnxruntime backend, written as a Python-based backend over the onnxruntime package.

Triton runs this file in its Python stub for every model whose config.pbtxt says ``backend: "onnxruntime"``, so that the
same model repository serves here and on the official image, whose onnxruntime backend is a library. Of that backend's
parameters it honours ``intra_op_thread_count`` and ``inter_op_thread_count``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils

TRITON_TYPES = {
    "tensor(float)": "TYPE_FP32",
    "tensor(double)": "TYPE_FP64",
    "tensor(float16)": "TYPE_FP16",
    "tensor(uint8)": "TYPE_UINT8",
    "tensor(int8)": "TYPE_INT8",
    "tensor(uint16)": "TYPE_UINT16",
    "tensor(int16)": "TYPE_INT16",
    "tensor(uint32)": "TYPE_UINT32",
    "tensor(int32)": "TYPE_INT32",
    "tensor(uint64)": "TYPE_UINT64",
    "tensor(int64)": "TYPE_INT64",
    "tensor(bool)": "TYPE_BOOL",
}
AUTOMATIC_BATCH = 4
MODEL_FILE = "model.onnx"


class TritonPythonModel:
    """One instance of one version of one model."""

    @staticmethod
    def auto_complete_config(auto_complete_model_config: Any) -> Any:
        """Fill in the inputs, outputs and batching that config.pbtxt leaves out, from the graph."""
        config = auto_complete_model_config.as_dict()
        if config["input"] and config["output"]:
            return auto_complete_model_config
        session = _open(Path(pb_utils.get_model_dir()), config)
        tensors = [*session.get_inputs(), *session.get_outputs()]
        batched = all(tensor.shape and not isinstance(tensor.shape[0], int) for tensor in tensors)
        if batched and config["max_batch_size"] == 0:
            auto_complete_model_config.set_max_batch_size(AUTOMATIC_BATCH)
        for tensor in session.get_inputs():
            auto_complete_model_config.add_input(_described(tensor, batched=batched))
        for tensor in session.get_outputs():
            auto_complete_model_config.add_output(_described(tensor, batched=batched))
        return auto_complete_model_config

    def initialize(self, args: dict[str, str]) -> None:
        """Open the version's graph.

        Raises:
            pb_utils.TritonModelException: numpy is 2 or later, or the graph cannot be opened or has other tensors than
                config.pbtxt says.
        """
        _refuse_numpy_2()
        config = json.loads(args["model_config"])
        self._session = _open(Path(args["model_repository"]) / args["model_version"], config)
        self._batched = config["max_batch_size"] > 0
        _refuse_other_tensors("input", config["input"], self._session.get_inputs())
        _refuse_other_tensors("output", config["output"], self._session.get_outputs())
        self._inputs = [tensor.name for tensor in self._session.get_inputs()]
        self._outputs = [tensor.name for tensor in self._session.get_outputs()]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer all requests of one call; what goes wrong becomes the answer of those that it concerns."""
        if self._batched:
            return self._answer(requests)
        return [self._answer([request])[0] for request in requests]

    def _answer(self, requests: list[Any]) -> list[Any]:
        # An exception here would end the stub and with it every later request, so each becomes a TritonError.
        try:
            return self._run(requests)
        except Exception as error:
            answer = pb_utils.TritonError(f"onnxruntime: {error}")
            return [pb_utils.InferenceResponse(error=answer) for _ in requests]

    def _run(self, requests: list[Any]) -> list[Any]:
        parts = {
            name: [pb_utils.get_input_tensor_by_name(request, name).as_numpy() for request in requests]
            for name in self._inputs
        }
        feeds = {name: arrays[0] if len(arrays) == 1 else np.concatenate(arrays) for name, arrays in parts.items()}
        outputs = dict(zip(self._outputs, self._session.run(self._outputs, feeds), strict=True))
        if len(requests) == 1:
            return [_response(requests[0], outputs)]
        ends = np.cumsum([len(array) for array in parts[self._inputs[0]]])[:-1]
        split = {name: np.split(array, ends) for name, array in outputs.items()}
        return [
            _response(request, {name: arrays[index] for name, arrays in split.items()})
            for index, request in enumerate(requests)
        ]


def _response(request: Any, outputs: dict[str, Any]) -> Any:
    wanted = request.requested_output_names()
    return pb_utils.InferenceResponse(
        [pb_utils.Tensor(name, np.ascontiguousarray(array)) for name, array in outputs.items() if name in wanted]
    )


def _open(version: Path, config: dict[str, Any]) -> Any:
    # Triton starts a process of its own for auto_complete_config before every load; where config.pbtxt says all, that
    # process needs no onnxruntime, whose import takes the cores from requests for a while.
    # Its builds report to their maker over the network unless this says no before they are imported.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime  # noqa: PLC0415

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _parameter(config, "intra_op_thread_count")
    options.inter_op_num_threads = _parameter(config, "inter_op_thread_count")
    # Threads that spin for the next request take the cores from the other services of a laptop.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    path = version / (config.get("default_model_filename") or MODEL_FILE)
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise pb_utils.TritonModelException(f"{path} cannot be opened: {error}") from error


def _parameter(config: dict[str, Any], name: str) -> int:
    value = config.get("parameters", {}).get(name, {}).get("string_value", "0")
    try:
        return int(value)
    except ValueError:
        raise pb_utils.TritonModelException(f"parameter {name} of config.pbtxt is {value!r}, not a number") from None


def _described(tensor: Any, *, batched: bool) -> dict[str, Any]:
    shape = tensor.shape[1:] if batched else tensor.shape
    dims = [size if isinstance(size, int) else -1 for size in shape]
    return {"name": tensor.name, "data_type": TRITON_TYPES[tensor.type], "dims": dims}


def _refuse_other_tensors(part: str, declared: list[dict[str, Any]], graph: list[Any]) -> None:
    """As Triton's own onnxruntime backend, refuse a graph that lacks what config.pbtxt names, or has it otherwise."""
    found = {tensor.name: TRITON_TYPES.get(tensor.type, tensor.type) for tensor in graph}
    for tensor in declared:
        name = tensor["name"]
        if name not in found:
            allowed = ", ".join(sorted(found))
            raise pb_utils.TritonModelException(f"unexpected inference {part} '{name}', allowed {part}s are: {allowed}")
        if tensor["data_type"] != found[name]:
            raise pb_utils.TritonModelException(
                f"inference {part} '{name}' is {found[name]} in the graph and {tensor['data_type']} in config.pbtxt"
            )
    names = {tensor["name"] for tensor in declared}
    if part == "input" and names != set(found):
        missing = ", ".join(sorted(set(found) - names))
        raise pb_utils.TritonModelException(f"the graph asks for {missing}, which config.pbtxt does not name")


def _refuse_numpy_2() -> None:
    if not np.__version__.startswith("1."):
        raise pb_utils.TritonModelException(
            f"the stub runs numpy {np.__version__}, with which tensors are silently corrupted; "
            "install requirements/triton.txt into the environment whose bin is first on tritonserver's PATH"
        )
