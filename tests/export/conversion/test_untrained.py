"""Random weights are fit to compare runtimes with: what they answer is neither rounding nor saturation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from telltale_contracts import FaceCrop
from telltale_export.architectures import find_architecture
from telltale_export.conversion.probes import probes
from telltale_export.conversion.untrained import untrained


@pytest.mark.parametrize("name", ["efficientnet-b7", "xception"])
def test_single_precision_is_enough_for_a_network_of_the_published_depth(name: str) -> None:
    architecture = replace(find_architecture(name), input=FaceCrop(size=96))
    detector = untrained(architecture)
    pictures = torch.from_numpy(probes(architecture.input, 4, seed=7))

    with torch.inference_mode():
        single = detector(pictures)
        double = detector.double()(pictures)

    assert double["heatmap"].dtype == torch.float64
    rounding = (single["heatmap"] - double["heatmap"]).abs().max() / np.ptp(double["heatmap"].numpy())
    assert rounding < 1e-5, "a tenth of what two runtimes may differ by"
    scores = double["probability"].numpy()
    assert (scores.min() > 0.01, scores.max() < 0.99) == (True, True)
    assert np.ptp(scores) > 0.005, "each picture has an answer of its own"


@pytest.mark.parametrize("name", ["meso4", "aasist"])
def test_equal_seeds_give_equal_weights(name: str) -> None:
    architecture = find_architecture(name).at_reduced_width()
    items = probes(architecture.input, 4, seed=7)

    first, again, other = (_scores(untrained(architecture, seed), items) for seed in (0, 0, 1))

    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.ptp(first) > 1e-3


def _scores(detector: object, items: np.ndarray) -> np.ndarray:
    if isinstance(detector, torch.nn.Module):
        with torch.inference_mode():
            return np.asarray(detector(torch.from_numpy(items))["probability"])
    return np.asarray(detector.served(items, training=False)["probability"])  # type: ignore[attr-defined]
