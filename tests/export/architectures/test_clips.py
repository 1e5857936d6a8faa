"""Networks of clips: their checkpoints' names and forms."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from telltale_export.architectures import build, find_architecture, translate
from telltale_export.architectures.networks.timm_models import timm_model
from telltale_export.conversion.probes import probes
from telltale_export.conversion.untrained import untrained

B0_REPEATS = (1, 2, 2, 3, 3, 4, 1)
B0_PARAMETERS = 4_007_548  # torchvision's efficientnet_b0 without its classifier
RESNEXT_PARAMETERS = 22_979_904  # torchvision's resnext50_32x4d without its last layer
SIGLIP_PARAMETERS = 92_884_224


def torchvision_b0() -> Iterator[str]:
    """Names of torchvision's convolutions (and of the batch norms after them) in efficientnet_b0."""
    yield from (f"features.{place}.{part}" for place in (0, 8) for part in (0, 1))
    for stage, repeats in enumerate(B0_REPEATS, start=1):
        for index in range(repeats):
            squeeze, last = (1, 2) if stage == 1 else (2, 3)
            for layer in range(last + 1):
                parts = ("fc1", "fc2") if layer == squeeze else ("0", "1")
                yield from (f"features.{stage}.{index}.block.{layer}.{part}" for part in parts)


@pytest.mark.parametrize("prefix", ["backbone.features.", "backbone."])
def test_every_name_of_torchvisions_b0_has_its_place_in_timms(prefix: str) -> None:
    with torch.device("meta"):
        network = timm_model("efficientnet_b0", num_classes=0)
    wanted = {f"backbone.{key.rpartition('.')[0]}" for key in network.state_dict()}
    names = [prefix + name.removeprefix("features.") for name in torchvision_b0()]
    given = translate(find_architecture("efficientnet-b0-3d-attention"), {f"{n}.weight": np.zeros(1) for n in names})
    assert {key.removesuffix(".weight") for key in given} == wanted
    assert len(given) == len(names)
    assert sum(weight.numel() for weight in network.parameters()) == B0_PARAMETERS


def test_the_children_of_torchvisions_resnext_have_their_place_in_timms() -> None:
    architecture = find_architecture("resnext50-lstm")
    with torch.device("meta"):
        network = build(architecture).network
    wanted = set(network.state_dict())
    places = {"conv1": "0", "bn1": "1", "layer1": "4", "layer2": "5", "layer3": "6", "layer4": "7"}

    def published(key: str) -> str:
        first, _, rest = key.removeprefix("model.").partition(".")
        return f"model.{places[first]}.{rest}" if key.startswith("model.") else key

    assert set(translate(architecture, {published(key): np.zeros(1) for key in wanted})) == wanted
    assert sum(weight.numel() for weight in network.model.parameters()) == RESNEXT_PARAMETERS


def shapes_of(architecture: str, lstm: torch.nn.LSTM, linear: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    """Shapes of a checkpoint that differs from the default in its LSTM and what follows it."""
    state = build(find_architecture(architecture).at_reduced_width()).network.state_dict()
    shapes = {key: tuple(value.shape) for key, value in state.items() if not key.startswith("lstm.")}
    shapes |= {f"lstm.{key}": tuple(value.shape) for key, value in lstm.state_dict().items()}
    return shapes | {"linear1.weight": linear, "linear1.bias": linear[:1]}


def test_without_biases_the_last_frame_decides_and_with_them_the_clip() -> None:
    architecture = find_architecture("resnext50-lstm").at_reduced_width()
    clips = torch.from_numpy(probes(architecture.input, 2, 3))
    mixed = clips.clone()
    mixed[:, 0] = 255 - mixed[:, 0]
    both_ways = torch.nn.LSTM(2048, 8, 2, bidirectional=True)
    for shapes, moves in ((None, False), (shapes_of("resnext50-lstm", both_ways, (2, 16)), True)):
        detector = untrained(architecture, seed=3, shapes=shapes)
        with torch.inference_mode():
            before, after = detector(clips)["probability"], detector(mixed)["probability"]
        assert bool((before - after).abs().max() > 1e-7) is moves


def test_the_form_without_biases_is_what_the_published_one_computes() -> None:
    """It was made with ``bias`` where ``bidirectional`` was meant, and runs one clip as T sequences of one step."""
    architecture = find_architecture("resnext50-lstm").at_reduced_width()
    detector = untrained(architecture, seed=4)
    network = detector.network
    published = torch.nn.LSTM(2048, network.lstm.hidden_size, 1, False)
    published.load_state_dict(network.lstm.state_dict())
    clip = torch.from_numpy(probes(architecture.input, 1, 4))
    with torch.inference_mode():
        planes = detector.normalise(clip)[0]
        steps, _ = published(network.model.forward_features(planes).mean(dim=(2, 3))[None])
        logits = network.linear1(steps[:, -1])
        expected = torch.softmax(logits, dim=1)[:, 0]
        np.testing.assert_allclose(detector(clip)["probability"], expected, atol=1e-6)


@pytest.mark.parametrize(("name", "hidden"), [("siglip-lstm-v1", False), ("siglip-lstm-v4", True)])
def test_siglip_has_the_published_size_and_heads(name: str, hidden: bool) -> None:
    with torch.device("meta"):
        network = build(find_architecture(name)).network
    assert sum(weight.numel() for weight in network.siglip_backbone.parameters()) == SIGLIP_PARAMETERS
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    assert shapes["lstm.weight_ih_l1_reverse"] == (2048, 1024)
    if hidden:
        assert (shapes["video_classifier.0.weight"], shapes["video_classifier.3.weight"]) == ((512, 1024), (1, 512))
        assert (shapes["image_classifier.0.weight"], shapes["image_classifier.3.weight"]) == ((512, 768), (1, 512))
    else:
        assert (shapes["video_classifier.weight"], shapes["image_classifier.weight"]) == ((1, 1024), (1, 768))


def test_the_names_of_older_transformers_are_understood() -> None:
    state = {
        "siglip_backbone.vision_model.post_layernorm.weight": np.zeros(1),
        "siglip_backbone.vision_model.embeddings.position_ids": np.arange(4)[None],
        "lstm.weight_ih_l0": np.zeros(1),
    }
    translated = translate(find_architecture("siglip-lstm-v1"), state)
    assert set(translated) == {"siglip_backbone.post_layernorm.weight", "lstm.weight_ih_l0"}
