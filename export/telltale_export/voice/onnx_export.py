"""VoiceNetwork -> ONNX that any Triton of the last years serves."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch

from telltale_export.errors import PackagingError
from telltale_export.packaging import MAX_IR, MAX_OPSET, score_artifact
from telltale_export.voice.detector import manifest
from telltale_export.voice.golden import golden_inputs
from telltale_export.voice.network import ServedVoiceNetwork, VoiceNetwork
from telltale_export.voice.sounds import SEGMENT_SAMPLES

_PARITY = 1e-4


def export_onnx(network: VoiceNetwork, folder: Path) -> Path:
    """Write ``model.onnx`` into the folder: ``waveform`` [N, 64000] -> ``probability`` [N, 1].

    Raises:
        PackagingError: onnxruntime answers otherwise than torch.
    """
    served = ServedVoiceNetwork(network).eval()
    tensors = manifest().tensors
    path = folder / "model.onnx"
    with warnings.catch_warnings():
        # The newer exporter needs onnxscript and writes opset 18; this one writes what older servers read.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        torch.onnx.export(
            served,
            (torch.zeros(2, SEGMENT_SAMPLES),),
            str(path),
            input_names=[tensors.input],
            output_names=[tensors.probability],
            dynamic_axes={tensors.input: {0: "batch"}, tensors.probability: {0: "batch"}},
            opset_version=MAX_OPSET,
            dynamo=False,
        )
    model = onnx.load(str(path))
    model.ir_version = min(model.ir_version, MAX_IR)
    onnx.save(model, str(path))
    inputs = golden_inputs()
    with torch.inference_mode():
        wanted = served(torch.from_numpy(inputs)).numpy()[:, 0]
    difference = float(np.abs(score_artifact(folder, tensors, inputs) - wanted).max())
    if difference > _PARITY:
        raise PackagingError(
            f"onnxruntime and torch differ by {difference:.2e}.", "Look for an operator that the export changed."
        )
    return path
