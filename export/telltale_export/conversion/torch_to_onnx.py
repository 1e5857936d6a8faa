"""A torch detector as ONNX that any Triton of the last years serves."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from telltale_export.architectures.served import Detector
from telltale_export.conversion.onnx_finish import finish
from telltale_export.packaging import MAX_OPSET, ONNX_FILE


class _Tuple(nn.Module):
    """The answers in an order, as the exporter wants them."""

    def __init__(self, detector: Detector, names: Sequence[str]) -> None:
        super().__init__()
        self._detector = detector
        self._names = tuple(names)

    def forward(self, served: Tensor) -> tuple[Tensor, ...]:
        answers = self._detector(served)
        return tuple(answers[name] for name in self._names)


def torch_to_onnx(
    detector: Detector, folder: Path, entry: str, outputs: Sequence[str], probe: NDArray[np.generic]
) -> Path:
    """Write ``model.onnx`` into a folder.

    Args:
        detector: with its weights, in inference mode.
        folder: where to write.
        entry: the name of the input.
        outputs: the names of the answers, "probability" and perhaps "heatmap".
        probe: two items or more, to trace the graph with.
    """
    return write_onnx(_Tuple(detector, outputs), folder, entry, outputs, probe)


def write_onnx(module: nn.Module, folder: Path, entry: str, outputs: Sequence[str], probe: NDArray[np.generic]) -> Path:
    """Write any module whose forward takes one tensor and answers ``outputs`` in their order, batch first."""
    path = folder / ONNX_FILE
    with warnings.catch_warnings():
        # The newer exporter needs onnxscript and writes opset 18; this one writes what older servers read. What it
        # warns of beside (shapes that it takes for constant, the batch of an LSTM) is checked on the finished file.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            (torch.from_numpy(np.array(probe[:2])),),
            str(path),
            input_names=[entry],
            output_names=list(outputs),
            dynamic_axes={name: {0: "batch"} for name in (entry, *outputs)},
            opset_version=MAX_OPSET,
            dynamo=False,
        )
    onnx.save(finish(onnx.load(str(path))), str(path))
    return path
