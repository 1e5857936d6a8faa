"""Publish a version's artefact once more, with a card that says something else: versions are never changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from safetensors.numpy import load_file
from telltale_contracts import GOLDEN_FILE, Calibration, DetectorManifest, Measurement, VersionCard

from telltale_export.packaging.carried import carried_over
from telltale_export.packaging.versions import ONNX_FILE, VersionDraft, next_version, write_version


def publish_recalibrated(
    version_dir: Path,
    manifest: DetectorManifest,
    card: VersionCard,
    *,
    calibration: Calibration,
    threshold: float,
    measured: tuple[Measurement, ...],
) -> Path:
    """The next version: the same bytes, calibrated anew; its folder.

    The old figures are left out: those that depend on the calibration and the threshold are no longer true. So is what
    else depends on them; see ``carried_over``.

    Args:
        version_dir: the version whose artefact it is.
        manifest: the detector's.
        card: the version's.
        calibration: the new one.
        threshold: the new operating point.
        measured: the new figures.

    Raises:
        PackagingError: the artefact fails a check.
    """
    carried = carried_over(card, measured)
    draft = replace(
        _draft_of(version_dir, card),
        trained_alike=carried.trained_alike,
        limits=carried.limits,
        excluded=carried.excluded,
        calibration=calibration,
        threshold=threshold,
        measured=measured,
    )
    repository = version_dir.resolve().parent.parent
    onnx = version_dir / ONNX_FILE
    artifact = onnx if onnx.is_file() else version_dir
    return write_version(repository, manifest, next_version(repository, manifest.name), artifact, draft)


def _draft_of(version_dir: Path, card: VersionCard) -> VersionDraft:
    return VersionDraft(
        provenance=card.provenance,
        measured=card.measured,
        calibration=card.calibration,
        golden_inputs=load_file(version_dir / GOLDEN_FILE)["input"],
        golden_source=card.golden.source,
        limits=card.limits,
        trained_alike=card.trained_alike,
        excluded=card.excluded,
        threshold=card.threshold,
        golden_tolerance=card.golden.tolerance,
        precision=card.precision,
    )
