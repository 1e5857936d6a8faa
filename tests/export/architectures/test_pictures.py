"""Networks of single pictures: their checkpoints' names, and that their map is what decides."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from telltale_export.architectures import build, find_architecture, translate
from telltale_export.architectures.networks.timm_models import timm_model
from telltale_export.conversion.probes import probes
from telltale_export.conversion.untrained import untrained


@pytest.mark.parametrize("name", ["efficientnet-b0", "efficientnet-b3", "efficientnet-b7", "xception"])
def test_the_mean_of_the_map_and_the_bias_are_the_logit_of_the_published_head(name: str) -> None:
    architecture = find_architecture(name).at_reduced_width()
    detector = untrained(architecture, seed=2)
    pictures = torch.from_numpy(probes(architecture.input, 4, 2))
    with torch.inference_mode():
        answers = detector(pictures)
        published = detector.network(detector.normalise(pictures))
    head = [module for module in detector.network.modules() if isinstance(module, torch.nn.Linear)][-1]
    if published.shape[1] == 2:
        expected, bias = torch.softmax(published, dim=1)[:, 1], head.bias[1] - head.bias[0]
    else:
        expected, bias = torch.sigmoid(published[:, 0]), head.bias[0]
    np.testing.assert_allclose(answers["probability"], expected, atol=1e-6)
    np.testing.assert_allclose(
        answers["heatmap"].mean(dim=(1, 2)) + bias.detach(), torch.logit(answers["probability"]), atol=1e-4
    )


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("efficientnet-b0", 4_010_110), ("efficientnet-b3", 10_699_306), ("xception", 20_811_050)],
)
def test_the_published_size_is_built(name: str, parameters: int) -> None:
    with torch.device("meta"):
        detector = build(find_architecture(name))
    assert sum(weight.numel() for weight in detector.network.parameters()) == parameters


def test_an_encoder_is_taken_with_its_own_classifier_and_without() -> None:
    architecture = find_architecture("efficientnet-b7").at_reduced_width()
    without = build(architecture).network.state_dict()
    assert not any(key.startswith("encoder.classifier") for key in without)
    shapes = {key: tuple(value.shape) for key, value in without.items()} | {"encoder.classifier.weight": (1000, 256)}
    assert build(architecture, shapes).network.state_dict()["encoder.classifier.bias"].shape == (1000,)


@pytest.mark.parametrize("head", ["last_linear", "last_linear.1"])
def test_faceforensics_names_are_understood(head: str) -> None:
    state = {key: value.numpy() for key, value in timm_model("legacy_xception", num_classes=2).state_dict().items()}
    published = {
        "model." + key.replace("fc.", f"{head}."): value[:, :, 0, 0] if "pointwise" in key else value
        for key, value in state.items()
    }
    translated = translate(find_architecture("xception"), published)
    assert {key: value.shape for key, value in translated.items()} == {k: v.shape for k, v in state.items()}
    np.testing.assert_array_equal(translated["fc.bias"], state["fc.bias"])
