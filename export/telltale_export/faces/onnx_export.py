"""FaceNet -> ONNX for Triton: uint8 pictures in, P(fake) out, batch norm folded in by the exporter."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from telltale_contracts import TensorNames
from torch import Tensor, nn

from telltale_export.errors import PackagingError
from telltale_export.faces.network import FaceNet
from telltale_export.faces.training import score
from telltale_export.packaging import MAX_IR, MAX_OPSET, ONNX_FILE, score_artifact

PARITY = 1e-4


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
    path = folder / ONNX_FILE
    served = ServedFaceNet(net).eval()
    served.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    with warnings.catch_warnings():
        # The newer exporter needs onnxscript and writes opset 18; this one writes what older servers read.
        warnings.simplefilter("ignore", category=DeprecationWarning)
        torch.onnx.export(
            served,
            (torch.from_numpy(probe[:2].copy()),),
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
    require_parity(score_artifact(folder, tensors, probe), score(net, probe), "onnxruntime")
    return path


def require_parity(served: NDArray[np.float32], trained: NDArray[np.float64], runtime: str) -> None:
    """Refuse an export whose answers differ from the trained network's.

    Raises:
        PackagingError: they differ by more than ``PARITY``.
    """
    difference = float(np.abs(served - trained).max())
    if difference > PARITY:
        raise PackagingError(
            f"{runtime} and torch differ by {difference:.2e}, more than {PARITY:.0e}.",
            "Look for an operator that the export changed.",
        )
