"""The dequantised ImageNet network computes what the int8 file computes."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from telltale_export.errors import DataError
from telltale_export.faces.backbone import (
    CONVOLUTIONS,
    FoldedConvolution,
    UnfitBackbone,
    pooled_features,
    read_backbone,
)
from telltale_export.faces.network import FaceNet, convolutions, folded, insert_backbone

ROOT = Path(__file__).parents[3]
FILE = ROOT.parent / "shared/weights/tf2_mobilenet_v2_1.0_224_ptq.tflite"


@pytest.fixture
def pictures(portrait: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Sixteen different views of the portrait."""
    views = []
    for index in range(16):
        x, y, side = 12 * (index % 4), 14 * (index // 4), 300 + 10 * index
        views.append(cv2.resize(portrait[y : y + side, x : x + side], (224, 224), interpolation=cv2.INTER_AREA))
    return np.stack(views).astype(np.uint8)


@pytest.mark.media
@pytest.mark.skipif(not FILE.is_file(), reason="needs ../shared/weights/tf2_mobilenet_v2_1.0_224_ptq.tflite")
def test_features_agree_with_the_int8_file(pictures: NDArray[np.uint8]) -> None:
    net = FaceNet()
    insert_backbone(net, read_backbone(FILE), pictures[:12])

    with torch.no_grad():
        own = net.pooled(net.lower(torch.from_numpy(pictures[12:]))).numpy()

    wanted = pooled_features(FILE, pictures[12:])
    cosine = (own * wanted).sum(1) / np.linalg.norm(own, axis=1) / np.linalg.norm(wanted, axis=1)
    assert cosine.min() > 0.98
    assert np.corrcoef(own.ravel(), wanted.ravel())[0, 1] > 0.98


def test_an_inserted_batch_norm_leaves_the_folded_bias() -> None:
    torch.manual_seed(0)
    source = FaceNet()
    items = []
    for layer in convolutions(source):
        torch.nn.init.uniform_(layer.norm.weight, 0.5, 1.5)
        torch.nn.init.normal_(layer.norm.bias, std=0.1)
        weight, bias = folded(layer)
        items.append(FoldedConvolution(weight, bias, layer.conv.groups > 1))
    pictures = np.random.default_rng(0).integers(0, 256, (4, 96, 96, 3), dtype=np.uint8)

    net = FaceNet()
    insert_backbone(net, items, pictures)

    assert len(items) == CONVOLUTIONS
    with torch.no_grad():
        own = net.pooled(net.lower(torch.from_numpy(pictures)))
        wanted = source.eval().pooled(source.lower(torch.from_numpy(pictures)))
    torch.testing.assert_close(own, wanted, rtol=1e-3, atol=1e-4)


def test_a_missing_or_strange_backbone_is_refused() -> None:
    with pytest.raises(DataError, match="no backbone"):
        read_backbone(ROOT / "absent.tflite")
    with pytest.raises(UnfitBackbone, match="convolutions"):
        read_backbone(ROOT / ".cache/assets/face_landmark.tflite")
