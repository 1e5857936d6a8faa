"""What the recipes of both face detectors share: where things are, the initial network, and what a card says of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from telltale_contracts import FaceCrop, Provenance

from telltale_export.data import MediaItem, Split, SplitName
from telltale_export.errors import DataError
from telltale_export.faces.backbone import read_backbone
from telltale_export.faces.chips import Face, FaceSet, gather
from telltale_export.faces.mesh import FaceMesh
from telltale_export.faces.network import FaceNet, insert_backbone
from telltale_export.faces.pairs import MARGIN as BLEND_MARGIN
from telltale_export.faces.pairs import SIZE
from telltale_export.faces.predecessor import insert_version, read_version
from telltale_export.faces.training import Trained

ARCHITECTURE = "MobileNetV2 1.0 (Sandler 2018), uint8 NHWC in, normalisation inside, one sigmoid"
_BACKBONE = (
    "MobileNetV2 1.0 trained on ImageNet (TensorFlow model garden, Apache-2.0), dequantised from the published int8 "
    "file, batch norm re-inserted; then the whole network was trained further"
)
OUTPUT = "sigmoid of one logit, trained with 1 = forged: P(fake) as it is"
# Both detectors' crops, so that one gathering serves both.
CROPS = (FaceCrop(size=SIZE, margin=BLEND_MARGIN), FaceCrop(size=SIZE, margin=1.0))
_SEEN = "crops_seen"
Report = Callable[[str], None]


@dataclass(frozen=True)
class Workshop:
    """Where things are and how long to work.

    ``begin_with``: a version's folder to go on from, or none to begin with the backbone. ``workers``: threads that
    draw crops ahead. ``weights``: already trained weights, which are then only evaluated and packaged.
    """

    media: Path
    backbone: Path
    service: str
    assets: Path
    cache: Path
    repository: Path
    images: int
    seed: int
    workers: int
    weights: Path | None
    begin_with: Path | None
    command: str

    @property
    def portrait(self) -> Path:
        """The public-domain portrait, which golden inputs are made of."""
        return self.assets / "astronaut.png"


def gather_faces(shop: Workshop, items: Sequence[MediaItem]) -> FaceSet:
    """The faces of all images and videos, from the cache or from preprocessing.

    Raises:
        DataError: see ``chips.gather``.
    """
    return gather(items, CROPS, shop.service, FaceMesh(shop.assets / "face_landmark.tflite"), shop.cache)


def initial_network(shop: Workshop, faces: FaceSet, chosen: Sequence[int]) -> FaceNet:
    """The ImageNet network, its batch norm measured on some 48 of the chosen faces.

    Raises:
        DataError, UnfitBackbone: see ``read_backbone``.
    """
    torch.manual_seed(shop.seed)
    net = FaceNet()
    some = chosen[:: max(1, len(chosen) // 48)]
    pictures = [cv2.resize(faces.chips[index], (224, 224), interpolation=cv2.INTER_AREA) for index in some]
    insert_backbone(net, read_backbone(shop.backbone), np.stack(pictures).astype(np.uint8))
    return net


def continued_network(shop: Workshop, version: Path, pictures: NDArray[np.uint8]) -> FaceNet:
    """The network of an earlier version, its batch norm measured on ``pictures``, uint8 [N, S, S, 3].

    Raises:
        DataError: see ``read_version``.
    """
    torch.manual_seed(shop.seed)
    net = FaceNet()
    insert_version(net, read_version(version), pictures)
    return net


def saved_network(path: Path) -> Trained:
    """A network from weights that an earlier training kept.

    Raises:
        DataError: the file is not there.
    """
    if not path.is_file():
        raise DataError(f"{path} is not there.", "Give weights that an earlier training kept, or leave --weights out.")
    net = FaceNet()
    net.load_state_dict(load_file(path))
    with safe_open(path, "pt") as kept:
        return Trained(net.eval(), int(kept.metadata()[_SEEN]))


def keep_weights(trained: Trained, path: Path) -> None:
    """Keep trained weights, so that they can be evaluated and packaged again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    weights = {name: value.contiguous() for name, value in trained.net.state_dict().items()}
    save_file(weights, path, metadata={_SEEN: str(trained.seen)})


def use_one_core() -> None:
    """One thread for torch and none beside for OpenCV, whose pools cost more than they give at these sizes."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def parts_by_group(split: Split) -> dict[str, SplitName]:
    """Which split each group is in."""
    named: dict[SplitName, tuple[MediaItem, ...]] = {
        "training": split.training,
        "calibration": split.calibration,
        "test": split.test,
    }
    return {item.group: name for name, items in named.items() for item in items}


def provenance(
    shop: Workshop,
    trained: Trained,
    items: Sequence[MediaItem],
    faces: Sequence[Face],
    split: str,
    *,
    share: float = 1.0,
) -> Provenance:
    """Where a version came from, for its card; ``share``: of what was trained, beside what it began with."""
    licences = {item.source: item.licence for item in items}
    cells: dict[tuple[str, str, str, str], list[str]] = defaultdict(list)
    for face in faces:
        cells[(face.source, face.modality, face.label, face.family)].append(face.group)
    return Provenance(
        architecture=ARCHITECTURE,
        framework=f"torch {torch.__version__}",
        parameters=sum(parameter.numel() for parameter in trained.net.parameters()),
        initialised_from=_BACKBONE if shop.begin_with is None else _predecessor(shop.begin_with, share),
        command=shop.command,
        seed=shop.seed,
        data=(
            *(
                f"{source} ({licences[source]}): {len(groups)} {label} faces of {len(set(groups))} groups "
                f"({family}, {modality})"
                for (source, modality, label, family), groups in sorted(cells.items())
            ),
            f"{trained.seen} crops were drawn from them",
        ),
        split=split,
        output_convention=OUTPUT,
    )


def _predecessor(version: Path, share: float) -> str:
    name = f"its version {version.resolve().name}"
    if share == 1.0:
        return name
    return f"{name}, {1 - share:g} of whose weights stayed beside {share:g} of those trained (WiSE-FT, Wortsman 2022)"
