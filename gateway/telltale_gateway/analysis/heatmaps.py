"""Where it shows: of the items that moved a detector's score most, what in them did.

A graph that answers a class activation map is asked for it; through any other the map is computed by occlusion. There
is no third way: where neither can be had, the answer says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import BundleMetadata, SoundSpec, TensorBundle

from telltale_gateway.analysis.fusion import log_odds
from telltale_gateway.analysis.occlusion import TooLarge, occlusion_map
from telltale_gateway.analysis.regions import region_of
from telltale_gateway.analysis.scoring import Outcome, counted_items
from telltale_gateway.analysis.verdict import Heatmap
from telltale_gateway.serving import Backend, BackendError, ModelCall

_ACTIVATION_ITEMS = 3
_OCCLUSION_ITEMS = 1
_DIGITS = 4


@dataclass(frozen=True)
class Shown:
    """The heatmaps of one detector, or why there are none."""

    heatmaps: tuple[Heatmap, ...] = ()
    reason: str | None = None


async def show(outcomes: Sequence[Outcome], bundle: TensorBundle, timeout_s: float) -> Mapping[str, Shown]:
    """The heatmaps of every detector that scored, by its name; together they take no longer than the timeout.

    What goes wrong with one of them changes nothing of its score, and is said in its place.
    """
    scored = [outcome for outcome in outcomes if outcome.aggregated is not None and outcome.items is not None]
    shown = await asyncio.gather(*(_show(outcome, bundle, timeout_s) for outcome in scored))
    return {outcome.deployed.name: each for outcome, each in zip(scored, shown, strict=True)}


def strongest(outcome: Outcome, count: int) -> list[int]:
    """The items of the deciding face that moved the score most: those that lie farthest to the side it came out on."""
    assert outcome.aggregated is not None  # noqa: S101 - only what scored is shown
    assert outcome.items is not None  # noqa: S101
    aggregated, card = outcome.aggregated, outcome.deployed.card
    prior = card.calibration.prior if card else 0.5
    side = 1.0 if aggregated.score >= prior else -1.0
    decisive = np.flatnonzero(outcome.items.track == aggregated.decisive)
    return [int(i) for i in sorted(decisive, key=lambda i: -side * log_odds(aggregated.items[i]))[:count]]


async def _show(outcome: Outcome, bundle: TensorBundle, timeout_s: float) -> Shown:
    deployed = outcome.deployed
    if deployed.backend is None:
        return Shown(reason="its server is gone")
    call = ModelCall(deployed.name, deployed.version, deployed.manifest.tensors, timeout_s)
    try:
        async with asyncio.timeout(timeout_s):
            return Shown(await _heatmaps(deployed.backend, call, outcome, bundle))
    except TimeoutError:
        return Shown(reason=f"it took longer than {timeout_s:g} s")
    except (BackendError, TooLarge) as error:
        return Shown(reason=str(error))


async def _heatmaps(backend: Backend, call: ModelCall, outcome: Outcome, bundle: TensorBundle) -> tuple[Heatmap, ...]:
    manifest = outcome.deployed.manifest
    counted = counted_items(outcome.deployed, bundle)
    tensor = bundle.tensors[outcome.key]
    if call.tensors.heatmap is not None:
        chosen = strongest(outcome, min(_ACTIVATION_ITEMS, manifest.max_batch))
        explained = await backend.infer_with_heatmaps(call, tensor[counted[chosen]])
        return tuple(
            _heatmap("class_activation", outcome, bundle, (item, int(counted[item])), grid)
            for item, grid in zip(chosen, explained.heatmap, strict=True)
        )
    maps = []
    for item in strongest(outcome, _OCCLUSION_ITEMS):
        place = int(counted[item])
        grid = await occlusion_map(backend, call, manifest.input, tensor[place], manifest.max_batch)
        maps.append(_heatmap("occlusion", outcome, bundle, (item, place), grid))
    return tuple(maps)


def _heatmap(
    method: Literal["class_activation", "occlusion"],
    outcome: Outcome,
    bundle: TensorBundle,
    which: tuple[int, int],
    grid: NDArray[np.floating],
) -> Heatmap:
    """``which``: the item's place among those that were scored, and in the bundle's tensor."""
    item, place = which
    metadata = bundle.metadata
    assert outcome.aggregated is not None  # noqa: S101
    assert outcome.items is not None  # noqa: S101
    spec = outcome.deployed.manifest.input
    frame, track = int(outcome.items.frame[item]), int(outcome.items.track[item])
    start, end = _span(outcome, metadata, frame, place)
    box = region_of(spec, metadata, frame, track)
    return Heatmap(
        method=method,
        version=outcome.deployed.version,
        t=start,
        until=end,
        track=track if track >= 0 else None,
        box=None if box is None else (round(box[0], 1), round(box[1], 1), round(box[2], 1), round(box[3], 1)),
        score=outcome.aggregated.items[item],
        grid=tuple(tuple(round(float(value), _DIGITS) for value in row) for row in grid),
    )


def _span(outcome: Outcome, metadata: BundleMetadata, frame: int, place: int) -> tuple[float, float]:
    if isinstance(outcome.deployed.manifest.input, SoundSpec):
        segment = metadata.segments[outcome.key][frame]
        return segment.start, segment.end
    frames = metadata.clips[outcome.key][place] if outcome.key in metadata.clips else (frame,)
    return metadata.frames[frames[0]].t, metadata.frames[frames[-1]].t
