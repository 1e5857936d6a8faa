"""Write a version of a detector into a model repository.

The folder that is written:

    <repository>/<detector>/detector.yaml, config.pbtxt (Triton), rollout.yaml, history.jsonl
    <repository>/<detector>/<version>/model.onnx | saved_model.pb ..., golden.safetensors, card.yaml
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from telltale_contracts import (
    CARD_FILE,
    GOLDEN_FILE,
    MOST_VERSION,
    Artifact,
    Calibration,
    DetectorManifest,
    Golden,
    Measurement,
    Medium,
    Precision,
    Provenance,
    Rollout,
    RolloutEvent,
    VersionCard,
    artifact_digest,
    artifact_files,
)

from telltale_export.errors import PackagingError
from telltale_export.packaging.documents import read_document
from telltale_export.packaging.onnx_checks import check_answers, check_onnx, require_probabilities
from telltale_export.packaging.scoring import score_artifact
from telltale_export.packaging.triton_config import OutputDims, triton_config

ONNX_FILE = "model.onnx"
SAVED_MODEL_FILE = "saved_model.pb"
MANIFEST_FILE = "detector.yaml"
CONFIG_FILE = "config.pbtxt"
ROLLOUT_FILE = "rollout.yaml"
HISTORY_FILE = "history.jsonl"
_WHO = "telltale_export"


@dataclass(frozen=True)
class VersionDraft:
    """What a card says beside what packaging finds out itself (digests, golden scores)."""

    provenance: Provenance
    measured: tuple[Measurement, ...]
    calibration: Calibration
    golden_inputs: NDArray[np.generic]
    golden_source: str
    limits: tuple[str, ...]
    trained_alike: tuple[Measurement, ...] = ()
    excluded: Mapping[Medium, str] = field(default_factory=dict)
    threshold: float = 0.5
    golden_tolerance: float = 1e-3
    precision: Precision | None = None


def next_version(repository: Path, detector: str) -> int:
    """The number after the highest version that the repository holds; 1 where there is none."""
    folder = repository / detector
    numbers = [int(path.name) for path in folder.iterdir() if path.name.isdigit()] if folder.is_dir() else []
    return max(numbers, default=0) + 1


def require_writable(repository: Path) -> None:
    """See, before hours of work, that a version could be written into the repository; its folder is made.

    Raises:
        OSError: it cannot be made, or nothing can be written into it.
    """
    repository.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=repository):
        pass


def require_new_version(repository: Path, detector: str, version: int) -> None:
    """See that a version can have this number.

    Raises:
        PackagingError: it is taken, or no server counts so far.
    """
    place = repository / detector / str(version)
    if place.exists():
        raise PackagingError(
            f"{place} exists, and a version is never changed once it is there.",
            f"Publish it as version {next_version(repository, detector)}.",
        )
    if version > MOST_VERSION:
        raise PackagingError(
            f"{version} is no version's number: servers count to {MOST_VERSION}.",
            f"Publish it as version {next_version(repository, detector)}.",
        )


def write_version(
    repository: Path, manifest: DetectorManifest, version: int, artifact: Path, draft: VersionDraft
) -> Path:
    """Check an artefact and publish it as a version; the version's folder.

    Everything is written and checked in a hidden folder beside its place, which servers do not look at, and becomes
    visible by one rename: the version's folder, or the whole detector's when it is new. A new detector's rollout.yaml
    makes this version live; for a known detector it is left alone, because who answers is decided there.

    Args:
        repository: the model repository; made when it is not there.
        manifest: what the detector is. A known detector must agree with it in forgery, server, input,
            tensors and sampling.
        version: its number.
        artifact: an ONNX file, or a SavedModel's folder.
        draft: the card's other half.

    Raises:
        PackagingError: the version exists, the manifest does not fit, or the model fails a check. Nothing is written.
    """
    require_new_version(repository, manifest.name, version)
    home = repository / manifest.name
    known = home.exists()
    if known:
        _check_known(home, manifest, version)
    with _made(repository), _staging(home if known else repository, manifest.name) as stage:
        version_dir = stage / str(version)
        _place(artifact, version_dir, manifest)
        if manifest.server == "triton":
            output_dims: OutputDims = check_onnx(version_dir / ONNX_FILE, manifest)
        else:
            output_dims = {}
            check_answers(version_dir, manifest)
        card = _write_card(version_dir, manifest, version, draft)
        if known:
            _publish(version_dir, home / str(version))
        else:
            _write_detector(stage, manifest, output_dims, card)
            _publish(stage, home)
    return home / str(version)


@contextmanager
def _made(repository: Path) -> Iterator[None]:
    """Have the repository there; one that was made for nothing is taken away again."""
    missing = [folder for folder in (repository, *repository.parents) if not folder.exists()]
    repository.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):  # somebody else has put something into it meanwhile
            for folder in missing:
                folder.rmdir()
        raise


@contextmanager
def _staging(parent: Path, name: str) -> Iterator[Path]:
    try:
        stage = Path(tempfile.mkdtemp(prefix=f".{name}-staging-", dir=parent))
    except OSError as error:
        raise PackagingError(
            f"{parent} cannot be written to: {error.strerror}.", "Make it writable, or publish into another repository."
        ) from error
    stage.chmod(0o755)
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)  # already renamed when all went well


def _publish(stage: Path, place: Path) -> None:
    try:
        os.rename(stage, place)  # noqa: PTH104 - Path.rename is the same; this line is the one that publishes
    except OSError as error:
        raise PackagingError(
            f"{place} could not be put in place: {error.strerror}.",
            "Somebody else published it meanwhile, or the repository cannot be written to; look, then run again.",
        ) from error


def _check_known(home: Path, manifest: DetectorManifest, version: int) -> None:
    if not (home / MANIFEST_FILE).is_file():
        raise PackagingError(f"{home} has no {MANIFEST_FILE}.", "Remove the folder, or put its manifest back.")
    known = read_document(DetectorManifest, home / MANIFEST_FILE)
    changed = [
        field
        for field in ("forgery", "server", "input", "tensors", "sampling")
        if getattr(known, field) != getattr(manifest, field)
    ]
    if changed:
        raise PackagingError(
            f"Version {version} of {manifest.name} has another {', '.join(changed)} than {home / MANIFEST_FILE} says.",
            "All versions of a detector take the same input; give this one another name.",
        )


def _place(artifact: Path, version_dir: Path, manifest: DetectorManifest) -> None:
    wanted = ONNX_FILE if manifest.server == "triton" else SAVED_MODEL_FILE
    given = artifact.name if artifact.is_file() else SAVED_MODEL_FILE
    if not (artifact if artifact.is_file() else artifact / SAVED_MODEL_FILE).is_file() or (
        (wanted == ONNX_FILE) != given.endswith(".onnx")
    ):
        raise PackagingError(
            f"{artifact} is not what {manifest.server} serves.",
            f"Triton needs an ONNX file, TensorFlow Serving a folder with {SAVED_MODEL_FILE}.",
        )
    if artifact.is_file():
        version_dir.mkdir()
        shutil.copyfile(artifact, version_dir / ONNX_FILE)
    else:
        shutil.copytree(artifact, version_dir)


def _write_card(version_dir: Path, manifest: DetectorManifest, version: int, draft: VersionDraft) -> VersionCard:
    scores = score_artifact(version_dir, manifest.tensors, draft.golden_inputs)
    require_probabilities(scores)
    save_file({"input": np.ascontiguousarray(draft.golden_inputs)}, version_dir / GOLDEN_FILE)
    # safetensors writes for its owner alone; the servers run as other users.
    (version_dir / GOLDEN_FILE).chmod(0o644)
    files = artifact_files(version_dir)
    card = VersionCard(
        detector=manifest.name,
        version=version,
        created=datetime.now(UTC).replace(microsecond=0),
        artifact=Artifact(sha256=artifact_digest(files), files=files),
        provenance=draft.provenance,
        measured=draft.measured,
        trained_alike=draft.trained_alike,
        excluded=dict(draft.excluded),
        calibration=draft.calibration,
        threshold=draft.threshold,
        golden=Golden(
            scores=tuple(round(float(score), 6) for score in scores),
            tolerance=draft.golden_tolerance,
            source=draft.golden_source,
        ),
        precision=draft.precision,
        limits=draft.limits,
    )
    (version_dir / CARD_FILE).write_text(card.to_yaml(), encoding="utf-8")
    return card


def _write_detector(stage: Path, manifest: DetectorManifest, output_dims: OutputDims, card: VersionCard) -> None:
    (stage / MANIFEST_FILE).write_text(manifest.to_yaml(), encoding="utf-8")
    if manifest.server == "triton":
        (stage / CONFIG_FILE).write_text(triton_config(manifest, output_dims), encoding="utf-8")
    (stage / ROLLOUT_FILE).write_text(Rollout(live=card.version).to_yaml(), encoding="utf-8")
    event = RolloutEvent(
        at=card.created,
        who=_WHO,
        action="promote",
        version=card.version,
        why="the detector's first version",
        sha256=card.artifact.sha256,
    )
    (stage / HISTORY_FILE).write_text(event.to_line(), encoding="utf-8")
