"""A published checkpoint as a version in a model repository, or an error and nothing."""

from __future__ import annotations

import shlex
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Calibration, DetectorManifest, Measurement, Precision, Provenance, Server

from telltale_export.architectures import Architecture
from telltale_export.calibration.held_out import calibrate_and_measure
from telltale_export.checkpoints import read_checkpoint
from telltale_export.conversion.manifests import manifest_of, server_of
from telltale_export.conversion.parity import (
    Difference,
    difference,
    heatmap_difference,
    logit_difference,
    require_parity,
    saturated,
)
from telltale_export.conversion.probes import GOLDEN_SOURCE, probes
from telltale_export.conversion.source import Answers, Source, load_source
from telltale_export.data import read_dataset
from telltale_export.errors import ExportError, PackagingError
from telltale_export.packaging import (
    MAX_OPSET,
    VersionDraft,
    answer_artifact,
    next_version,
    require_new_version,
    score_artifact,
    write_version,
)
from telltale_export.packaging.carried import FOREIGN_MEASURED, FOREIGN_UNMEASURED
from telltale_export.precision import DriftLimits, LabelledInputs, narrow, read_inputs
from telltale_export.preprocessing import SERVICE_VARIABLE
from telltale_export.served.media import score_media, see_media

_GOLDEN_ITEMS, _GOLDEN_SEED = 4, 1
_RANDOM_ITEMS, _RANDOM_SEED = 4, 3
_DRIFT_ITEMS, _DRIFT_SEED = 16, 2


@dataclass(frozen=True)
class Conversion:
    """What is to be converted, and where to.

    Attributes:
        architecture: what the checkpoint was trained as.
        checkpoint: its file.
        repository: the model repository.
        name: what the detector is to be called there.
        server: who serves it; the one natural to the framework when not given.
        version: its number; the next one when not given.
        precision: of the served graph's numbers; what is not single precision is for Triton.
        calibrate_on: folder of inputs that the ranges of int8 are taken from, and drift is measured on.
        limits: the most that narrowing may change; the kind's own where none is given.
        measure_on: folder of labelled media that the version is calibrated and measured on, so that it can vote.
        preprocessing: URL of the preprocess-service that cuts them.
    """

    architecture: Architecture
    checkpoint: Path
    repository: Path
    name: str
    server: Server | None = None
    version: int | None = None
    precision: Literal["fp32", "fp16", "int8"] = "fp32"
    calibrate_on: Path | None = None
    limits: DriftLimits = field(default_factory=DriftLimits)
    measure_on: Path | None = None
    preprocessing: str | None = None


@dataclass(frozen=True)
class Converted:
    """A version that was published, how far its graph is from the source on the golden inputs, and
    what narrowing it did."""

    folder: Path
    difference: Difference
    precision: Precision | None = None


def convert(conversion: Conversion) -> Converted:
    """Convert a checkpoint, compare the graph with the source framework, and publish the version.

    Raises:
        CheckpointError: the file cannot be read safely, or is of another architecture.
        PackagingError: the graph fails a check or answers otherwise than the source. Nothing is written.
        DataError: the media to measure on are not as documented, or preprocessing does not answer.
        ExportError: the server cannot serve this framework, or the detector's name is none.
    """
    _require_sense(conversion)
    architecture = conversion.architecture
    manifest = manifest_of(architecture, conversion.name, server_of(architecture, conversion.server))
    source = load_source(architecture, read_checkpoint(conversion.checkpoint))
    golden = probes(architecture.input, _GOLDEN_ITEMS, _GOLDEN_SEED)
    with tempfile.TemporaryDirectory(prefix="telltale-export-") as scratch:
        folder = Path(scratch) / "artifact"
        artifact = export_source(source, manifest, folder)
        found = compare_artifact(source, folder, manifest, golden)
        compare_artifact(
            source, folder, manifest, probes(architecture.input, _RANDOM_ITEMS, _RANDOM_SEED), inputs="random"
        )
        precision = narrow_artifact(conversion, manifest, artifact)
        if precision is not None:
            found = _narrowed_difference(source, folder, manifest, golden, precision)
        calibration, measured = measure_artifact(conversion, manifest, folder)
        version = conversion.version or next_version(conversion.repository, conversion.name)
        draft = VersionDraft(
            provenance=_provenance(source, manifest, conversion),
            measured=measured,
            calibration=calibration,
            golden_inputs=golden,
            golden_source=GOLDEN_SOURCE,
            limits=(*architecture.limits, FOREIGN_MEASURED if measured else FOREIGN_UNMEASURED),
            precision=precision,
        )
        published = write_version(conversion.repository, manifest, version, artifact, draft)
        return Converted(published, found, precision)


def _require_sense(conversion: Conversion) -> None:
    """Before minutes of work: no option is given in vain, none is missing, and the version can be put in its place."""
    if conversion.precision == "fp32" and (conversion.calibrate_on, conversion.limits) != (None, DriftLimits()):
        raise ExportError(
            "--calibrate-on, --max-drift and --max-heatmap-drift are of narrowing, and single precision narrows "
            "nothing.",
            "Leave them out, or give --precision fp16 or int8.",
        )
    if conversion.precision == "int8" and conversion.calibrate_on is None:
        raise ExportError("int8 takes its ranges from inputs.", "Give a folder of them with --calibrate-on.")
    if conversion.version is not None:
        require_new_version(conversion.repository, conversion.name, conversion.version)
    home = conversion.repository.absolute() / conversion.name
    place = home if home.exists() else home.parent
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    try:
        with tempfile.TemporaryDirectory(prefix=".telltale-export-", dir=existing):
            pass
    except OSError as error:
        raise PackagingError(
            f"{place} cannot be written to: {existing}: {error.strerror}.",
            "Give a folder with --to, or one that can be made.",
        ) from error


def _narrowed_difference(
    source: Source, folder: Path, manifest: DetectorManifest, items: NDArray[np.generic], precision: Precision
) -> Difference:
    wanted = source.answer(items)["probability"]
    apart = difference(score_artifact(folder, manifest.tensors, items), wanted)
    return Difference(f"onnxruntime in {precision.kind}", source.framework, "golden", apart, precision.limit)


def measure_artifact(
    conversion: Conversion, manifest: DetectorManifest, folder: Path
) -> tuple[Calibration, tuple[Measurement, ...]]:
    """Calibration and figures where media were given to measure on; raw scores and none otherwise.

    Raises:
        DataError: the media are not as documented, or preprocessing does not answer.
        ExportError: media were given, but nobody to cut them.
    """
    if conversion.measure_on is None:
        return Calibration.none(), ()
    if conversion.preprocessing is None:
        raise ExportError(
            "Media are measured on as serving sees them.",
            f"Start a preprocess-service and name its URL with --preprocess or in {SERVICE_VARIABLE}.",
        )
    seen = see_media(manifest, read_dataset(conversion.measure_on).items, conversion.preprocessing)
    scored = score_media(seen, lambda items: score_artifact(folder, manifest.tensors, items))
    found = calibrate_and_measure(scored, manifest)
    return found.calibration, found.measured


def narrow_artifact(conversion: Conversion, manifest: DetectorManifest, artifact: Path) -> Precision | None:
    """Put the narrowed graph in the artefact's place where one was asked for; what it says of itself.

    Raises:
        ExportError: the server takes no ONNX.
        DataError: the inputs do not fit.
        PackagingError: a score or the heatmaps drift too far.
    """
    if conversion.precision == "fp32":
        return None
    if manifest.server != "triton":
        raise ExportError(f"{conversion.precision} is made of ONNX graphs only.", "Give --server triton.")
    if conversion.calibrate_on is not None:
        inputs = read_inputs(conversion.calibrate_on, manifest.input)
    else:
        inputs = LabelledInputs(probes(manifest.input, _DRIFT_ITEMS, _DRIFT_SEED), None, f"inputs {GOLDEN_SOURCE}")
    narrowed = narrow(artifact, conversion.precision, inputs, manifest.tensors, conversion.limits)
    artifact.write_bytes(narrowed.model)
    return narrowed.precision


def export_source(source: Source, manifest: DetectorManifest, folder: Path) -> Path:
    """Write what the manifest's server loads into a folder, which is made; the file or folder of the artefact."""
    tensors = manifest.tensors
    outputs = [name for name in (tensors.probability, tensors.heatmap) if name is not None]
    probe = probes(manifest.input, 2, _GOLDEN_SEED)
    folder.mkdir(parents=True)
    # Each way has a framework of its own to import.
    if source.architecture.framework == "torch":
        from telltale_export.conversion.torch_to_onnx import torch_to_onnx  # noqa: PLC0415

        return torch_to_onnx(source.detector, folder, tensors.input, outputs, probe)
    if manifest.server == "triton":
        from telltale_export.conversion.keras_to_onnx import keras_to_onnx  # noqa: PLC0415

        return keras_to_onnx(source.detector, folder, tensors.input, outputs)
    from telltale_export.conversion.keras_to_saved_model import keras_to_saved_model  # noqa: PLC0415

    return keras_to_saved_model(source.detector, folder, manifest, probe)


def compare_artifact(
    source: Source,
    folder: Path,
    manifest: DetectorManifest,
    items: NDArray[np.generic],
    *,
    inputs: Literal["golden", "random"] = "golden",
) -> Difference:
    """How far the artefact's P(fake), its logit and its heatmap are from the source's on items [N, ...].

    Raises:
        PackagingError: an answer of the source is no probability, its golden ones are all the same or all 0 or 1,
            or the two differ by more than the limit, in P(fake), its logit or the heatmap.
    """
    wanted = source.answer(items)
    _require_probability(wanted, source.architecture)
    if inputs == "golden":
        _require_difference(source, wanted)
    runtime = "onnxruntime" if manifest.server == "triton" else "TensorFlow"
    given = answer_artifact(folder, manifest.tensors, items, list(wanted))
    if manifest.tensors.heatmap is not None:
        apart = heatmap_difference(given["heatmap"], wanted["heatmap"])
        require_parity(Difference(f"{runtime}'s heatmap", source.framework, inputs, apart))
    scores = given["probability"].reshape(-1)
    apart = difference(scores, wanted["probability"])
    logit = logit_difference(scores, wanted["probability"])
    return require_parity(Difference(runtime, source.framework, inputs, apart, logit=logit))


def _require_probability(answers: Answers, architecture: Architecture) -> None:
    scores = answers["probability"]
    if scores.ndim != 1 or not np.isfinite(scores).all() or scores.min() < 0.0 or scores.max() > 1.0:
        raise PackagingError(
            f"{architecture.name} with these weights answers probability = {scores.tolist()}, which are no "
            "probabilities.",
            "The weights are damaged, or the checkpoint is of another variant of the architecture.",
        )


def _require_difference(source: Source, golden: Answers) -> None:
    """Of items that have nothing in common, a network that looks at them answers no two alike to the last bit.

    Nor may all answers be 0 or 1: a graph that computes something else gives the same ones.
    """
    score = golden["probability"][0]
    if saturated(golden["probability"]).all():
        raise PackagingError(
            f"{source.architecture.name} with these weights answers probability = "
            f"{golden['probability'].tolist()}, all within 1e-6 of 0 or 1: no conversion can be compared on them.",
            "The weights are damaged, were never trained, or are of another scale than the architecture's.",
        )
    if (golden["probability"] != score).any():
        return
    more = source.answer(probes(source.architecture.input, _RANDOM_ITEMS, _RANDOM_SEED))["probability"]
    if (more == score).all():
        raise PackagingError(
            f"{source.architecture.name} with these weights answers probability = {score} to each of "
            f"{len(golden['probability']) + len(more)} inputs that have nothing in common.",
            "The weights are damaged, were never trained, or are of another scale than the architecture's.",
        )


def _command(manifest: DetectorManifest, conversion: Conversion) -> str:
    """What was asked for; of files and folders their names, for where they lie is this machine's own affair."""
    words = ["telltale-export", "convert", conversion.architecture.name, "--checkpoint", conversion.checkpoint.name]
    words += ["--name", manifest.name, "--server", manifest.server]
    if conversion.precision != "fp32":
        words += ["--precision", conversion.precision]
    if conversion.calibrate_on is not None:
        words += ["--calibrate-on", conversion.calibrate_on.resolve().name]
    if conversion.limits.score is not None:
        words += ["--max-drift", f"{conversion.limits.score:g}"]
    if conversion.limits.heatmap is not None:
        words += ["--max-heatmap-drift", f"{conversion.limits.heatmap:g}"]
    if conversion.measure_on is not None:
        words += ["--measure-on", conversion.measure_on.resolve().name]
    return shlex.join(words)


def _provenance(source: Source, manifest: DetectorManifest, conversion: Conversion) -> Provenance:
    architecture, checkpoint = source.architecture, source.checkpoint
    target = f"ONNX opset {MAX_OPSET}" if manifest.server == "triton" else "SavedModel"
    target += "" if conversion.precision == "fp32" else f" in {conversion.precision}"
    under = f", under {'.'.join(checkpoint.wrapping)}" if checkpoint.wrapping else ""
    return Provenance(
        architecture=architecture.name,
        framework=f"{source.framework} to {target}",
        parameters=source.parameters,
        initialised_from=f"{checkpoint.name}, sha256 {checkpoint.sha256}{under}",
        command=_command(manifest, conversion),
        seed=0,
        data=(f"not known here: trained by the checkpoint's author; the architecture is of {architecture.paper}",),
        split="not known here",
        output_convention=architecture.convention,
    )
