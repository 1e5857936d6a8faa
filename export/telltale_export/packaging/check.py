"""Check that what a model repository holds is what its cards say."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file
from telltale_contracts import (
    CARD_FILE,
    GOLDEN_FILE,
    DetectorManifest,
    Rollout,
    VersionCard,
    artifact_digest,
    artifact_files,
)

from telltale_export.errors import PackagingError
from telltale_export.packaging.documents import read_document
from telltale_export.packaging.onnx_checks import check_onnx
from telltale_export.packaging.scoring import score_artifact
from telltale_export.packaging.triton_config import OutputDims


@dataclass(frozen=True)
class VersionReport:
    """One version that passed.

    ``golden_difference`` is the largest between a golden score and the card's; ``output_dims`` are those of
    its outputs beside the batch, as Triton must be told them.
    """

    detector: str
    version: int
    artifact_sha256: str
    golden_difference: float
    output_dims: OutputDims = field(default_factory=dict)


def check_repository(repository: Path) -> list[VersionReport]:
    """Check every version of every detector.

    Raises:
        PackagingError: there is none, one is not what its card says, or a document cannot be read.
    """
    manifests = sorted(repository.glob("*/detector.yaml"))
    if not manifests:
        raise PackagingError(f"{repository} holds no detector.", "Give the folder that holds <detector>/detector.yaml.")
    reports = []
    for path in manifests:
        manifest = read_document(DetectorManifest, path)
        versions = sorted(int(folder.name) for folder in path.parent.iterdir() if folder.name.isdigit())
        absent = set(read_document(Rollout, path.parent / "rollout.yaml").served()) - set(versions)
        if absent:
            raise PackagingError(
                f"{manifest.name}'s rollout.yaml names version {sorted(absent)}, which is not there.",
                "Put the version back, or name one that is there.",
            )
        reports += [check_version(path.parent / str(version), manifest) for version in versions]
    return reports


def check_version(version_dir: Path, manifest: DetectorManifest) -> VersionReport:
    """Digest every file, check the graph, and run the golden inputs.

    Raises:
        PackagingError: a file differs from the card, the graph fails a check, or a golden score is out of tolerance.
    """
    card = read_document(VersionCard, version_dir / CARD_FILE)
    files = artifact_files(version_dir)
    if files != card.artifact.files or artifact_digest(files) != card.artifact.sha256:
        changed = sorted(
            name for name in {*files, *card.artifact.files} if files.get(name) != card.artifact.files.get(name)
        )
        raise PackagingError(
            f"{version_dir}: {', '.join(changed) or 'the digest'} is not what {CARD_FILE} says.",
            "A version is never changed: put its files back, and publish the change as another version.",
        )
    output_dims = check_onnx(version_dir / "model.onnx", manifest) if manifest.server == "triton" else {}
    inputs = load_file(version_dir / GOLDEN_FILE)["input"]
    scores = score_artifact(version_dir, manifest.tensors, inputs)
    difference = float(np.abs(scores - np.asarray(card.golden.scores)).max())
    if not difference <= card.golden.tolerance:
        raise PackagingError(
            f"{version_dir}: golden scores {scores.tolist()}, the card says {list(card.golden.scores)}.",
            "The runtime computes something else than when the version was made; find out why before serving it.",
        )
    return VersionReport(card.detector, card.version, card.artifact.sha256, difference, output_dims)
