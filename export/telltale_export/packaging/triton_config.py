"""config.pbtxt: how Triton serves an ONNX detector."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from telltale_contracts import DetectorManifest

from telltale_export.packaging.tensors import item_shape, item_type

# The dimensions of each output by its name, without the batch; -1 where the graph leaves one open.
OutputDims = Mapping[str, tuple[int, ...]]

_TRITON_TYPES = {"uint8": "TYPE_UINT8", "float32": "TYPE_FP32"}


def triton_config(manifest: DetectorManifest, output_dims: OutputDims) -> str:
    """The text of config.pbtxt.

    One instance on the CPU (Triton's default is two, and two cores are all that a laptop may have), dynamic batching
    with a delay that is small beside the model's own time.

    Args:
        manifest: the detector, served by Triton.
        output_dims: of its outputs: of the probability () for [N], (1,) for [N, 1].
    """
    outputs = ", ".join(_tensor(output) for output in _outputs(manifest, output_dims))
    return f"""name: "{manifest.name}"
backend: "onnxruntime"
max_batch_size: {manifest.max_batch}
input [ {_tensor(_input(manifest))} ]
output [ {outputs} ]
instance_group [ {{ kind: KIND_CPU, count: 1 }} ]
dynamic_batching {{ max_queue_delay_microseconds: 2000 }}
"""


def triton_load_config(manifest: DetectorManifest, version: int, output_dims: OutputDims) -> str:
    """The same as JSON for a load request, with one version as its policy: a plain load would take the latest."""
    return json.dumps(
        {
            "name": manifest.name,
            "backend": "onnxruntime",
            "max_batch_size": manifest.max_batch,
            "input": [_input(manifest)],
            "output": _outputs(manifest, output_dims),
            "instance_group": [{"kind": "KIND_CPU", "count": 1}],
            "version_policy": {"specific": {"versions": [version]}},
        }
    )


def _input(manifest: DetectorManifest) -> dict[str, Any]:
    kind = _TRITON_TYPES[item_type(manifest.input)]
    return {"name": manifest.tensors.input, "data_type": kind, "dims": list(item_shape(manifest.input))}


def _outputs(manifest: DetectorManifest, output_dims: OutputDims) -> list[dict[str, Any]]:
    probability: dict[str, Any] = {"name": manifest.tensors.probability, "data_type": "TYPE_FP32"}
    # A batched [N] output has no dimensions of its own; Triton writes that as one dimension, reshaped away.
    dims = output_dims[manifest.tensors.probability]
    probability |= {"dims": list(dims)} if dims else {"dims": [1], "reshape": {"shape": []}}
    heatmap = manifest.tensors.heatmap
    if heatmap is None:
        return [probability]
    return [probability, {"name": heatmap, "data_type": "TYPE_FP32", "dims": list(output_dims[heatmap])}]


def _tensor(described: dict[str, Any]) -> str:
    dims = ", ".join(map(str, described["dims"]))
    reshape = ", reshape { shape: [ ] }" if "reshape" in described else ""
    return f'{{ name: "{described["name"]}", data_type: {described["data_type"]}, dims: [ {dims} ]{reshape} }}'
