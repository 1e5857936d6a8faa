"""VoiceNetwork -> ONNX that any Triton of the last years serves."""

from __future__ import annotations

from pathlib import Path

import torch

from telltale_export.conversion.parity import Difference, difference, require_parity
from telltale_export.conversion.torch_to_onnx import write_onnx
from telltale_export.packaging import score_artifact
from telltale_export.voice.detector import manifest
from telltale_export.voice.golden import golden_inputs
from telltale_export.voice.network import ServedVoiceNetwork, VoiceNetwork


def export_onnx(network: VoiceNetwork, folder: Path) -> Path:
    """Write ``model.onnx`` into the folder: ``waveform`` [N, 64000] -> ``probability`` [N, 1].

    Raises:
        PackagingError: onnxruntime answers otherwise than torch.
    """
    served = ServedVoiceNetwork(network).eval()
    tensors = manifest().tensors
    inputs = golden_inputs()
    path = write_onnx(served, folder, tensors.input, [tensors.probability], inputs)
    with torch.inference_mode():
        wanted = served(torch.from_numpy(inputs)).numpy()[:, 0]
    apart = difference(score_artifact(folder, tensors, inputs), wanted)
    require_parity(Difference("onnxruntime", "torch", "golden", apart))
    return path
