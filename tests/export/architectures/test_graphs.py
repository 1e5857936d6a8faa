"""The graph of every torch network answers as the network does, at any batch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from telltale_export.architectures import architectures, find_architecture
from telltale_export.conversion.probes import probes
from telltale_export.conversion.torch_to_onnx import torch_to_onnx
from telltale_export.conversion.untrained import untrained
from telltale_export.packaging import MAX_IR, MAX_OPSET, onnx_runtime

NAMES = [name for name, architecture in architectures().items() if architecture.framework == "torch"]


@pytest.mark.parametrize("name", NAMES)
def test_the_graph_answers_as_the_network_does_at_any_batch(name: str, tmp_path: Path) -> None:
    architecture = find_architecture(name).at_reduced_width()
    detector = untrained(architecture, seed=1)
    outputs = ["probability", "heatmap"] if architecture.heatmap else ["probability"]
    path = torch_to_onnx(detector, tmp_path, "served", outputs, probes(architecture.input, 2, 1))
    model = onnx.load(str(path), load_external_data=False)
    assert max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")) <= MAX_OPSET
    assert model.ir_version <= MAX_IR
    session = onnx_runtime().InferenceSession(str(path), providers=["CPUExecutionProvider"])
    scores = []
    for batch in (1, 3, 5):
        items = probes(architecture.input, batch, batch)
        with torch.inference_mode():
            expected = detector(torch.from_numpy(items))
        for output, given in zip(outputs, session.run(outputs, {"served": items}), strict=True):
            wanted = expected[output].numpy()
            assert given.shape == wanted.shape
            assert given.dtype == np.float32
            np.testing.assert_allclose(given, wanted, atol=1e-4, rtol=1e-4)
        scores.append(expected["probability"].numpy())
    together = np.concatenate(scores)
    assert ((together > 0.0) & (together < 1.0)).all()
    assert np.ptp(together) > 1e-6, "the input does not reach the output"
