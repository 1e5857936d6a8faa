"""``train face-blend`` and ``train face-synthesis``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from telltale_export.cli import Commands, positive

if TYPE_CHECKING:
    from telltale_export.faces.recipe import Workshop

_SERVICE = "TELLTALE_PREPROCESS_URL"


def register(commands: Commands) -> None:
    """Add both commands."""
    blend = commands.add("train", "face-blend", "Train face-blend on blends of genuine faces.", _train_blend)
    _add_options(blend, images=100_000)
    synthesis = commands.add(
        "train", "face-synthesis", "Train face-synthesis on generated and photographed faces.", _train_synthesis
    )
    _add_options(synthesis, images=40_000)
    synthesis.add_argument(
        "--cross-images",
        type=int,
        default=0,
        help="also train on each source alone, on so many images, and say in the card what that is worth on the others",
    )


def _add_options(parser: argparse.ArgumentParser, images: int) -> None:
    parser.add_argument("--media", type=Path, required=True, help="folder with labels.csv, images and videos")
    parser.add_argument("--backbone", type=Path, required=True, help="MobileNetV2 1.0 on ImageNet as int8 .tflite")
    parser.add_argument("--to", type=Path, required=True, help="the model repository to publish into")
    parser.add_argument("--begin-with", type=Path, metavar="VERSION", help="a version's folder, to go on from it")
    parser.add_argument("--images", type=int, default=images, help="crops to train on (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="decides everything (%(default)s)")
    parser.add_argument("--workers", type=positive, default=1, help="threads that draw crops ahead (%(default)s)")
    parser.add_argument("--assets", type=Path, default=Path(".cache/assets"), help="what scripts/assets.py fetched")
    parser.add_argument("--cache", type=Path, default=Path(".cache"), help="for faces, checkpoints and trained weights")
    parser.add_argument("--weights", type=Path, help="do not train: measure and publish these weights")
    parser.add_argument(
        "--preprocess",
        default=os.environ.get(_SERVICE, "http://127.0.0.1:8010"),
        help=f"URL of a running preprocess-service (environment: {_SERVICE})",
    )


def _train_blend(options: argparse.Namespace) -> None:
    from telltale_export.faces.face_blend import train  # noqa: PLC0415 - torch

    print(train(_workshop(options, "face-blend"), _say))


def _train_synthesis(options: argparse.Namespace) -> None:
    from telltale_export.faces.face_synthesis import train  # noqa: PLC0415 - torch and keras

    print(train(_workshop(options, "face-synthesis"), _say, options.cross_images))


def _say(line: str) -> None:
    print(line, flush=True)


def _workshop(options: argparse.Namespace, name: str) -> Workshop:
    from telltale_export.faces.recipe import Workshop  # noqa: PLC0415 - torch

    # Folder names of this machine have no place in a card.
    command = (
        f"telltale-export train {name} --media MEDIA --backbone {options.backbone.name} "
        f"--to model-repository --images {options.images} --seed {options.seed}"
    )
    if options.begin_with is not None:
        command += f" --begin-with model-repository/{name}/{options.begin_with.resolve().name}"
    if getattr(options, "cross_images", 0):
        command += f" --cross-images {options.cross_images}"
    if options.weights is not None:
        command += f" --weights {options.weights.name}"
    return Workshop(
        media=options.media,
        backbone=options.backbone,
        service=options.preprocess,
        assets=options.assets,
        cache=options.cache,
        repository=options.to,
        images=options.images,
        seed=options.seed,
        workers=options.workers,
        weights=options.weights,
        begin_with=options.begin_with,
        command=command,
    )
