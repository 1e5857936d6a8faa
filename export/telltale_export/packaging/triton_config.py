"""config.pbtxt: how Triton serves an ONNX detector."""

from __future__ import annotations

from telltale_contracts import DetectorManifest

from telltale_export.packaging.tensors import item_shape, item_type

_TRITON_TYPES = {"uint8": "TYPE_UINT8", "float32": "TYPE_FP32"}


def triton_config(manifest: DetectorManifest, output_dims: tuple[int, ...] = ()) -> str:
    """The text of config.pbtxt.

    One instance on the CPU (Triton's default is two, and two cores are all that a laptop may have), dynamic batching
    with a delay that is small beside the model's own time.

    Args:
        manifest: the detector, served by Triton.
        output_dims: the probability's shape without the batch: () for [N], (1,) for [N, 1].
    """
    tensors = manifest.tensors
    data_type = _TRITON_TYPES[item_type(manifest.input)]
    dims = ", ".join(str(size) for size in item_shape(manifest.input))
    # A batched [N] output has no dimensions of its own; Triton writes that as one dimension, reshaped away.
    output = f"dims: [ {', '.join(map(str, output_dims))} ]" if output_dims else "dims: [ 1 ], reshape { shape: [ ] }"
    outputs = [f'{{ name: "{tensors.probability}", data_type: TYPE_FP32, {output} }}']
    if tensors.heatmap is not None:
        outputs.append(f'{{ name: "{tensors.heatmap}", data_type: TYPE_FP32, dims: [ -1, -1 ] }}')
    return f"""name: "{manifest.name}"
backend: "onnxruntime"
max_batch_size: {manifest.max_batch}
input [ {{ name: "{tensors.input}", data_type: {data_type}, dims: [ {dims} ] }} ]
output [ {", ".join(outputs)} ]
instance_group [ {{ kind: KIND_CPU, count: 1 }} ]
dynamic_batching {{ max_queue_delay_microseconds: 2000 }}
"""
