"""The options of every command that asks a version on its model server, and what they open."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from telltale_contracts import DetectorManifest, VersionCard

from telltale_export.errors import ExportError
from telltale_export.preprocessing import SERVICE_VARIABLE

if TYPE_CHECKING:
    from telltale_export.packaging import Scorer
    from telltale_export.served.media import Viewer

TRITON_VARIABLE, TFSERVING_VARIABLE = "TELLTALE_TRITON_URL", "TELLTALE_TFSERVING_TARGET"


@dataclass(frozen=True)
class AskedVersion:
    """A version of a detector, what shows media to it, and how it is asked; ``asked`` says who answers."""

    folder: Path
    manifest: DetectorManifest
    card: VersionCard
    viewer: Viewer
    score: Scorer
    asked: str


def add_server_options(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Which version, and the servers that it needs: ``telltale_local run --only preprocess,triton`` names them."""
    parser.add_argument(
        "--version",
        type=Path,
        required=required,
        metavar="FOLDER",
        help="model-repository/<detector>/<number>, asked on its model server",
    )
    parser.add_argument(
        "--preprocess", metavar="URL", default=os.environ.get(SERVICE_VARIABLE), help=f"or {SERVICE_VARIABLE}"
    )
    parser.add_argument(
        "--triton", metavar="URL", default=os.environ.get(TRITON_VARIABLE), help=f"or {TRITON_VARIABLE}"
    )
    parser.add_argument(
        "--tfserving", metavar="HOST:PORT", default=os.environ.get(TFSERVING_VARIABLE), help=f"or {TFSERVING_VARIABLE}"
    )
    parser.add_argument("--load", action="store_true", help="the server is empty and your own: load the version there")


@contextmanager
def asked_version(options: argparse.Namespace) -> Iterator[AskedVersion]:
    """The version that the options name, ready to be asked.

    Raises:
        PackagingError: the folder is no version of a detector.
        ExportError: a server was not named, does not answer, or has not loaded the version.
    """
    from telltale_export.served.media import Viewer  # noqa: PLC0415 - heavy
    from telltale_export.served.version import on_server, read_version  # noqa: PLC0415

    manifest, card = read_version(options.version)
    triton = manifest.server == "triton"
    address = options.triton if triton else options.tfserving
    if address is None or options.preprocess is None:
        needs = f"preprocess,{manifest.server}"
        raise ExportError(
            f"{manifest.name} needs a preprocess-service and {'Triton' if triton else 'TensorFlow Serving'}.",
            f"Run it inside `python -m telltale_local run --only {needs} -- ... --load`, or name both.",
        )
    with (
        Viewer(manifest, options.preprocess) as viewer,
        on_server(options.version, manifest, address, load=options.load) as served,
    ):
        name = manifest.tensors.probability
        yield AskedVersion(
            folder=options.version,
            manifest=manifest,
            card=card,
            viewer=viewer,
            score=lambda items: served.answer(items, [name])[name].reshape(-1),
            asked=f"asked on {'Triton' if triton else 'TensorFlow Serving'}, through preprocessing",
        )
