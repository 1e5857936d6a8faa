"""What conversion gives: every architecture as large as it is published, with random weights or with published ones.

    .venvs/services/bin/python -m telltale_local run --only triton,tfserving --model-repository EMPTY_FOLDER -- \
        .venvs/models/bin/python bench/export.py [--weights ../shared/weights] [NAME ...]

One line for each architecture and server: parameters, size of the artefact, the largest difference in P(fake) from the
source's framework to the artefact's runtime and to the served version (4 random items), and milliseconds of the
processor for a batch on one thread, in single precision and in int8; on an idle machine that is the clock's time too. A
batch is of 32 items, or of one where a server takes no more; where 32 would take seconds, fewer are timed and the time
is multiplied. Videos are of 16 frames, not of 120. Versions are written into the repository that the servers look at.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from telltale_contracts import DetectorManifest, FrameClip, Server
from telltale_export.architectures import Architecture, architectures
from telltale_export.checkpoints import read_checkpoint
from telltale_export.conversion.convert import Conversion, convert
from telltale_export.conversion.parity import difference
from telltale_export.conversion.probes import probes
from telltale_export.conversion.source import load_source
from telltale_export.conversion.untrained import of_short_clips, save_untrained
from telltale_export.errors import ExportError
from telltale_export.packaging import check_version, onnx_runtime, score_artifact
from telltale_export.precision import DriftLimits, LabelledInputs, narrow
from telltale_export.served.tensorflow import ServedByTensorFlow
from telltale_export.served.triton import ServedByTriton

PUBLISHED = {"meso4": "Meso4_DF.h5", "mesoinception4": "MesoInception_DF.h5"}
PUBLISHED |= {"aasist": "AASIST.pth", "aasist-l": "AASIST-L.pth"}
BATCH, ITEMS, ROUNDS, PATIENCE_S = 32, 4, 3, 4.0


@dataclass(frozen=True)
class Row:
    """One converted architecture on one server."""

    name: str
    weights: str
    parameters: int
    conversion: str
    megabytes: float
    to_runtime: float
    to_served: float
    batch: int
    fp32_ms: float
    int8_ms: float | None


def main() -> int:
    """Convert, serve, time and print; 1 when any conversion fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="architectures; all when none is named")
    parser.add_argument("--weights", type=Path, help="folder with published weights")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'architecture':22} {'weights':9} {'parameters':>11} {'conversion':21} {'MB':>6} {'to runtime':>10} "
          f"{'to served':>10} {'batch':>5} {'fp32 ms':>9} {'int8 ms':>9}")  # fmt: skip
    failed = 0
    for published in architectures().values():
        architecture = of_short_clips(published) if isinstance(published.input, FrameClip) else published
        if options.names and architecture.name not in options.names:
            continue
        for server in ("tfserving", "triton") if architecture.framework == "keras" else ("triton",):
            try:
                say(measure(architecture, server, options.weights))
            except ExportError as error:
                failed += 1
                print(f"{architecture.name:22} {server}: {str(error).splitlines()[0][:160]}", flush=True)
    return min(failed, 1)


def say(row: Row) -> None:
    """One line of the table."""
    narrowed = "-" if row.int8_ms is None else f"{row.int8_ms:.0f}"
    print(
        f"{row.name:22} {row.weights:9} {row.parameters:11,d} {row.conversion:21} {row.megabytes:6.1f} "
        f"{row.to_runtime:10.1e} {row.to_served:10.1e} {row.batch:5d} {row.fp32_ms:9.0f} {narrowed:>9}",
        flush=True,
    )


def measure(architecture: Architecture, server: Server, weights: Path | None) -> Row:
    """Convert one architecture, have it served, and compare and time it."""
    repository = Path(os.environ["TELLTALE_MODEL_REPOSITORY"])
    with tempfile.TemporaryDirectory() as scratch:
        published = PUBLISHED.get(architecture.name) if weights else None
        path = weights / published if weights and published else save_untrained(architecture, Path(scratch))
        folder = convert(Conversion(architecture, path, repository, f"{architecture.name}-{server}", server)).folder
        source = load_source(architecture, read_checkpoint(path))
    manifest = DetectorManifest.from_yaml(folder.parent / "detector.yaml")
    items = probes(architecture.input, ITEMS, seed=11)
    wanted = source.answer(items)["probability"]
    runtime = score_artifact(folder, manifest.tensors, items)
    with served_version(folder, manifest) as answer:
        served = answer(items)
    return Row(
        name=architecture.name,
        weights="published" if published else "random",
        parameters=source.parameters,
        conversion=f"{architecture.framework} to {'ONNX' if server == 'triton' else 'SavedModel'}",
        megabytes=sum(file.stat().st_size for file in artefact(folder)) / 1e6,
        to_runtime=difference(runtime, wanted),
        to_served=difference(served, wanted),
        batch=batch_of(architecture),
        fp32_ms=milliseconds(architecture, scorer(folder, manifest)),
        int8_ms=narrowed_milliseconds(architecture, folder, manifest) if server == "triton" else None,
    )


def artefact(folder: Path) -> list[Path]:
    """The files that a server loads."""
    return [
        path for path in folder.rglob("*") if path.is_file() and path.name not in ("card.yaml", "golden.safetensors")
    ]


@contextmanager
def served_version(folder: Path, manifest: DetectorManifest) -> Iterator[Callable[[np.ndarray], np.ndarray]]:
    """P(fake) of items by the server, which is told to load the version first.

    TensorFlow Serving is told of one version at a time: the last one that was asked for is the one that it has.
    """
    output = manifest.tensors.probability
    if manifest.server == "triton":
        with ServedByTriton.at(os.environ["TELLTALE_TRITON_URL"], manifest, int(folder.name)) as triton:
            triton.load(check_version(folder, manifest).output_dims)
            yield lambda items: triton.answer(items, [output])[output].reshape(-1)
        return
    with ServedByTensorFlow.at(os.environ["TELLTALE_TFSERVING_TARGET"], manifest, folder) as tensorflow:

        def answer(items: np.ndarray) -> np.ndarray:
            if not tensorflow.ready():
                tensorflow.load()
            return tensorflow.answer(items, [output])[output].reshape(-1)

        yield answer


def batch_of(architecture: Architecture) -> int:
    """How many items a time is of."""
    return 1 if architecture.max_batch == 1 else BATCH


def milliseconds(architecture: Architecture, answer: Callable[[np.ndarray], object]) -> float:
    """The median time of a batch; where that takes seconds, fewer items are timed, and the time is multiplied."""
    batch = batch_of(architecture)
    one = probes(architecture.input, 1, seed=12)
    answer(one)
    started = time.process_time()
    answer(one)
    timed = max(1, min(batch, int(PATIENCE_S / (time.process_time() - started))))
    items = probes(architecture.input, timed, seed=12)
    times = []
    for _ in range(ROUNDS):
        started = time.process_time()
        answer(items)
        times.append(time.process_time() - started)
    return statistics.median(times) * 1000.0 * batch / timed


def scorer(folder: Path, manifest: DetectorManifest) -> Callable[[np.ndarray], object]:
    """The artefact on one thread of this CPU, loaded once."""
    tensors = manifest.tensors
    if manifest.server == "triton":
        return onnx_scorer((folder / "model.onnx").read_bytes(), manifest)
    import tensorflow as tf  # noqa: PLC0415 - three seconds, and only for SavedModels

    signature = tf.saved_model.load(str(folder)).signatures[tensors.signature]
    return lambda items: signature(**{tensors.input: tf.constant(items)})[tensors.probability].numpy()


def onnx_scorer(model: bytes, manifest: DetectorManifest) -> Callable[[np.ndarray], object]:
    """An ONNX graph on one thread."""
    onnxruntime = onnx_runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return lambda items: session.run([manifest.tensors.probability], {manifest.tensors.input: items})


def narrowed_milliseconds(architecture: Architecture, folder: Path, manifest: DetectorManifest) -> float:
    """The same in int8, whatever it does to random weights' scores and heatmaps."""
    inputs = LabelledInputs(probes(architecture.input, 4, seed=13), None, "random items")
    narrowed = narrow(folder / "model.onnx", "int8", inputs, manifest.tensors, DriftLimits(1.0, 1e9))
    return milliseconds(architecture, onnx_scorer(narrowed.model, manifest))


if __name__ == "__main__":
    sys.exit(main())
