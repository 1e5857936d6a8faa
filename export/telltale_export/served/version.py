"""One version of a detector on the model server that is meant for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from telltale_contracts import CARD_FILE, DetectorManifest, VersionCard

from telltale_export.errors import ExportError, PackagingError
from telltale_export.packaging import check_version, read_document
from telltale_export.served.tensorflow import ServedByTensorFlow
from telltale_export.served.triton import ServedByTriton

Served = ServedByTriton | ServedByTensorFlow


def read_version(version_dir: Path) -> tuple[DetectorManifest, VersionCard]:
    """A version's manifest and card.

    Raises:
        PackagingError: the folder is no version of a detector, or one of its documents cannot be read.
    """
    manifest, card = version_dir.resolve().parent / "detector.yaml", version_dir / CARD_FILE
    if not (manifest.is_file() and card.is_file() and version_dir.resolve().name.isdigit()):
        raise PackagingError(
            f"{version_dir} is no version of a detector.", "Give model-repository/<detector>/<number>."
        )
    return read_document(DetectorManifest, manifest), read_document(VersionCard, card)


@contextmanager
def on_server(version_dir: Path, manifest: DetectorManifest, address: str, *, load: bool) -> Iterator[Served]:
    """The version, ready on the server at an address: a URL of Triton's, HOST:PORT of TensorFlow Serving's.

    Args:
        version_dir: folder of the version, as the server sees it too.
        manifest: the detector's.
        address: of the server.
        load: the server is the caller's own and empty: have it load the version first.

    Raises:
        ExportError: the server does not answer, or has not loaded the version.
    """
    with _at(address, manifest, version_dir) as served:
        if load:
            served.load(check_version(version_dir, manifest).output_dims)
        elif not served.ready():
            raise ExportError(
                f"The server has not loaded {manifest.name} {version_dir.name}.",
                "Load it there, or give --load when the server is your own and empty.",
            )
        yield served


def _at(address: str, manifest: DetectorManifest, version_dir: Path) -> AbstractContextManager[Served]:
    if manifest.server == "triton":
        return ServedByTriton.at(address, manifest, int(version_dir.name))
    return ServedByTensorFlow.at(address, manifest, version_dir)
