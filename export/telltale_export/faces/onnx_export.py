"""FaceNet -> ONNX for Triton: uint8 pictures in, P(fake) out, batch norm folded in by the exporter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from telltale_contracts import TensorNames
from torch import Tensor, nn

from telltale_export.conversion.parity import Difference, difference, require_parity
from telltale_export.conversion.torch_to_onnx import write_onnx
from telltale_export.faces.network import FaceNet
from telltale_export.faces.training import score
from telltale_export.packaging import ONNX_FILE, score_artifact


class ServedFaceNet(nn.Module):
    """The network as it is served: a probability for each picture."""

    def __init__(self, net: FaceNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, pictures: Tensor) -> Tensor:
        """uint8 [N, S, S, 3] to float32 [N], P(fake)."""
        return torch.sigmoid(self.net(pictures))


def export_onnx(net: FaceNet, folder: Path, tensors: TensorNames, probe: NDArray[np.uint8]) -> Path:
    """Write ``model.onnx`` into a folder, which is made, and compare its answers with the network's.

    Args:
        net: the trained network.
        folder: where to write.
        tensors: names of input and output.
        probe: uint8 [N, S, S, 3], N at least 2; both must answer the same on it.

    Raises:
        PackagingError: onnxruntime answers otherwise than torch.
    """
    folder.mkdir(parents=True, exist_ok=True)
    served = ServedFaceNet(net).eval()
    served.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    write_onnx(served, folder, tensors.input, [tensors.probability], probe)
    apart = difference(score_artifact(folder, tensors, probe), score(net, probe))
    require_parity(Difference("onnxruntime", "torch", "golden", apart))
    return folder / ONNX_FILE
