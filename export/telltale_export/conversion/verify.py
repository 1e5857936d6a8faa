"""Is what a server answers still what the checkpoint said in its own framework?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from itertools import combinations
from math import inf
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from telltale_contracts import GOLDEN_FILE, DetectorManifest, VersionCard

from telltale_export.architectures import Architecture, find_architecture
from telltale_export.checkpoints import read_checkpoint
from telltale_export.conversion.parity import (
    LIMIT,
    Difference,
    difference,
    heatmap_difference,
    logit_difference,
    require_parity,
)
from telltale_export.conversion.probes import GOLDEN_SOURCE, probes
from telltale_export.conversion.source import Answers, Source, load_source
from telltale_export.errors import CheckpointError, ExportError
from telltale_export.packaging import answer_artifact, check_version
from telltale_export.precision import heatmap_drift, read_inputs
from telltale_export.served.version import Served, on_server, read_version

Say = Callable[[str], None]
_GIVEN = "given"
_RUNTIMES = {"triton": ("onnxruntime", "served by Triton"), "tfserving": ("TensorFlow", "served as TensorFlow Serving")}


@dataclass(frozen=True)
class Verification:
    """What is compared.

    Attributes:
        version_dir: folder of the version.
        checkpoint: the file that it was converted from; none leaves the source framework out.
        triton: URL of a Triton server that has the version loaded.
        tfserving: HOST:PORT of a TensorFlow Serving that has it loaded.
        load: the server is this run's own and empty: have it load the version first.
        on: folder of inputs as a narrowed version's drift was measured on, read as ``convert`` does. Only on such
            inputs is it held to what its card allows it to differ from its source.
        random_items: how many random items beside the golden ones.
        seed: of the random items.
    """

    version_dir: Path
    checkpoint: Path | None = None
    triton: str | None = None
    tfserving: str | None = None
    load: bool = False
    on: Path | None = None
    random_items: int = 8
    seed: int = 0


def verify(asked: Verification, say: Say) -> list[Difference]:
    """Compare on golden and random items, say each difference, and return them when all are within the limit.

    Raises:
        PackagingError: two differ by more than 1e-4 in P(fake) or in the heatmap (of a narrowed version by more than
            its golden tolerance, and from its source by more than its card allows of either on inputs such as those
            that this was measured on), or the version is not what its card says.
        CheckpointError: the checkpoint is not the one that the card names.
        ExportError: a server does not answer, or has not loaded the version; neither checkpoint nor server is given;
            or of a narrowed version nothing could be held to its card.
        DataError: the inputs to compare on do not fit.
    """
    manifest, card = read_version(asked.version_dir)
    check_version(asked.version_dir, manifest)
    source = None if asked.checkpoint is None else _source(card, manifest, asked.checkpoint)
    address = asked.triton if manifest.server == "triton" else asked.tfserving
    if source is None and address is None:
        raise ExportError(
            f"{asked.version_dir} is what its card says, but nothing was compared: neither its source nor a server was "
            "given.",
            "Give --checkpoint, or leave --not-served out.",
        )
    if source is not None and address is None and card.precision and asked.on is None and not _on_made_inputs(card):
        raise ExportError(
            f"The card allows {asked.version_dir} to differ from its source on {card.precision.measured_on}, which are "
            "not here, and no server was given to compare it with.",
            "Give a folder of such inputs with --on, or leave --not-served out.",
        )
    for left_out, missing in (("source", source), ("served model", address)):
        if missing is None:
            say(f"The {left_out} was left out.")
    found = []
    at_server = nullcontext() if address is None else on_server(asked.version_dir, manifest, address, load=asked.load)
    with at_server as served:
        for name, items in _inputs(asked, manifest, card):
            answers = _answers(asked, manifest, source, served, items)
            for one, other in combinations(answers, 2):
                against_source = source is not None and one == source.framework
                held = not against_source or name == _GIVEN or _on_made_inputs(card)
                limit = _limit(card, against_source=against_source) if held else inf
                scores = answers[other]["probability"], answers[one]["probability"]
                logit = None if card.precision else logit_difference(*scores)
                compared = Difference(other, one, name, difference(*scores), limit, logit)
                found.append(_said(compared, f"{len(items):3d} items", say))
                if manifest.tensors.heatmap is not None:
                    pair = answers[other]["heatmap"], answers[one]["heatmap"]
                    apart, limit = _maps_apart(card, pair, against_source=against_source)
                    maps = Difference(f"the heatmap {other}", one, name, apart, limit if held else inf)
                    found.append(_said(maps, f"{len(items):3d} maps ", say))
    for each in found:
        require_parity(each)
    return found


def _said(found: Difference, of: str, say: Say) -> Difference:
    logit = "" if found.logit is None else f"logit {found.logit:.1e}, P"
    allowed = "" if found.limit == LIMIT else f" ({found.limit:g} is allowed)"
    if found.limit == inf:
        allowed = " (the card allows nothing on such inputs, and forbids nothing: --on gives others)"
    say(f"{found.inputs:7} {of}   {found.against:18} {found.runtime:38} {logit:16} {found.largest:.1e}{allowed}")
    return found


def _limit(card: VersionCard, *, against_source: bool) -> float:
    """1e-4 in single precision. Of a narrowed version, what its card allows to be lost against the source, and the
    golden tolerance between runtimes."""
    if card.precision is None:
        return LIMIT
    return card.precision.limit if against_source else card.golden.tolerance


def _maps_apart(
    card: VersionCard, maps: tuple[NDArray[np.float32], NDArray[np.float32]], *, against_source: bool
) -> tuple[float, float]:
    """How far two heatmaps are apart, and may be: a narrowed version from its source as its card measures it."""
    if card.precision is None or not against_source:
        return heatmap_difference(*maps), _limit(card, against_source=against_source)
    if card.precision.heatmap_limit is None:
        raise ExportError(
            "The card does not say how far the narrowed heatmaps may be from their source's.",
            "Convert it again, as the next version.",
        )
    return heatmap_drift(*maps), card.precision.heatmap_limit


def _source(card: VersionCard, manifest: DetectorManifest, path: Path) -> Source:
    checkpoint = read_checkpoint(path)
    if checkpoint.sha256 not in card.provenance.initialised_from:
        raise CheckpointError(
            f"{checkpoint.name} has sha256 {checkpoint.sha256}; the card says: {card.provenance.initialised_from}.",
            "Give the file that the version was converted from.",
        )
    architecture: Architecture = find_architecture(card.provenance.architecture)
    return load_source(replace(architecture, input=manifest.input), checkpoint)


def _inputs(
    asked: Verification, manifest: DetectorManifest, card: VersionCard
) -> Iterator[tuple[str, NDArray[np.generic]]]:
    yield "golden", load_file(asked.version_dir / GOLDEN_FILE)["input"]
    yield "random", probes(manifest.input, asked.random_items, asked.seed)
    if asked.on is not None:
        inputs = read_inputs(asked.on, manifest.input)
        # The other half gave int8 its ranges.
        yield _GIVEN, (inputs.halves()[1] if card.precision and card.precision.kind == "int8" else inputs).items


def _on_made_inputs(card: VersionCard) -> bool:
    """Whether what the card allows was measured on inputs like the golden ones; so it is in single precision."""
    return card.precision is None or GOLDEN_SOURCE in card.precision.measured_on


def _answers(
    asked: Verification,
    manifest: DetectorManifest,
    source: Source | None,
    served: Served | None,
    items: NDArray[np.generic],
) -> dict[str, Answers]:
    """What each runtime that is there answers to some items: the source, the artefact, the server.

    P(fake) [N] is called ``probability``, and the heatmap [N, h, w], where there is one, ``heatmap``.
    """
    runtime, server = _RUNTIMES[manifest.server]
    names = {"probability": manifest.tensors.probability}
    if manifest.tensors.heatmap is not None:
        names["heatmap"] = manifest.tensors.heatmap
    outputs = list(names.values())
    answers: dict[str, Answers] = {}
    if source is not None:
        answers[source.framework] = source.answer(items)
    answered = {runtime: answer_artifact(asked.version_dir, manifest.tensors, items, outputs)}
    if served is not None:
        answered[server] = served.answer(items, outputs)
    for who, given in answered.items():
        answers[who] = {
            name: given[output].reshape(-1) if name == "probability" else given[output]
            for name, output in names.items()
        }
    return answers
