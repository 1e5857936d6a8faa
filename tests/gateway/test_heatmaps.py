"""Heatmaps say what the served scores say, of the items that decided, and what they could not show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from telltale_contracts import FaceClip, FaceCrop, InputSpec, TensorBundle, TensorNames, Waveform
from telltale_gateway.analysis.aggregation import Aggregated
from telltale_gateway.analysis.fusion import log_odds
from telltale_gateway.analysis.heatmaps import show, strongest
from telltale_gateway.analysis.occlusion import TooLarge, occlusion_map
from telltale_gateway.analysis.regions import region_of
from telltale_gateway.analysis.scoring import Items, Outcome
from telltale_gateway.serving import BackendRefused, Explained, ModelCall

from .outcomes import deployed, metadata

CALL = ModelCall("bright", 1, TensorNames(input="input", probability="probability"), 1.0)


class Brightness:
    """P = mean / 255 of pictures, min(1, mean of |x|) of sounds; counts what it is sent."""

    def __init__(self, *, refuses: bool = False) -> None:
        self.batches: list[int] = []
        self._refuses = refuses

    async def infer(self, call: ModelCall, batch: NDArray[np.generic]) -> NDArray[np.float32]:
        if self._refuses:
            raise BackendRefused("bright 1 is out of order")
        assert call.model == "bright"
        self.batches.append(len(batch))
        scale = 255.0 if batch.dtype == np.uint8 else 1.0
        flat = np.abs(batch.reshape(len(batch), -1).astype(np.float64))
        return (flat.mean(axis=1) / scale).astype(np.float32)

    async def infer_with_heatmaps(self, call: ModelCall, batch: NDArray[np.generic]) -> Explained:
        scores = await self.infer(call, batch)
        return Explained(scores, np.repeat(scores[:, None, None], 4, axis=2).repeat(2, axis=1))


def half_bright() -> NDArray[np.uint8]:
    """Black, its right half white."""
    picture = np.zeros((56, 56, 3), np.uint8)
    picture[:, 28:] = 255
    return picture


@pytest.mark.anyio
async def test_covering_a_part_takes_from_the_score_what_the_part_gave() -> None:
    backend = Brightness()
    picture = half_bright()
    grid = await occlusion_map(backend, CALL, FaceCrop(size=56), picture, max_batch=8)
    assert grid.shape == (7, 7)
    assert max(backend.batches) <= 8
    assert sum(backend.batches) == 50
    covered = picture.copy()
    covered[8:16, 48:56] = 128
    expected = log_odds(picture.mean() / 255) - log_odds(covered.mean() / 255)
    assert grid[1, 6] == pytest.approx(expected, abs=1e-5)
    assert (grid[:, 4:] > 0).all()
    assert (grid[:, :3] < 0).all()


@pytest.mark.anyio
async def test_a_part_of_a_clip_is_covered_in_all_its_frames() -> None:
    clip = np.repeat(half_bright()[None], 3, axis=0)
    grid = await occlusion_map(Brightness(), CALL, FaceClip(size=56, frames=3), clip, max_batch=4)
    single = await occlusion_map(Brightness(), CALL, FaceCrop(size=56), half_bright(), max_batch=4)
    np.testing.assert_allclose(grid, single, atol=1e-5)


@pytest.mark.anyio
async def test_of_a_sound_stretches_are_silenced() -> None:
    sound = np.zeros(1600, np.float32)
    sound[300:400] = 0.5
    grid = await occlusion_map(Brightness(), CALL, Waveform(samples=1600), sound, max_batch=5)
    assert grid.shape == (1, 16)
    assert [int(i) for i in np.flatnonzero(grid[0] > 1e-9)] == [3]


@pytest.mark.anyio
async def test_what_is_too_large_to_cover_is_not_sent() -> None:
    backend = Brightness()
    clip = np.zeros((100, 600, 600, 3), np.uint8)
    with pytest.raises(TooLarge, match="too large"):
        await occlusion_map(backend, CALL, FaceClip(size=600, frames=100), clip, max_batch=1)
    assert backend.batches == []


def outcome_of(scores: Sequence[float], tracks: Sequence[int], backend: Brightness | None, **tensors: str) -> Outcome:
    """A detector of crops that scored; the track with the highest score decided."""
    detector = deployed("bright", "face_swap")
    names = detector.manifest.tensors.model_copy(update=tensors)
    detector = replace(detector, backend=backend, manifest=detector.manifest.model_copy(update={"tensors": names}))
    decisive = tracks[int(np.argmax(scores))]
    by_track = {track: max(s for s, t in zip(scores, tracks, strict=True) if t == track) for track in set(tracks)}
    aggregated = Aggregated(by_track[decisive], by_track[decisive], tuple(scores), by_track, decisive)
    items = Items(np.zeros(len(scores), np.int32), np.array(tracks, np.int32))
    return Outcome(detector, "scored", aggregated=aggregated, items=items)


def bundle_of(outcome: Outcome) -> TensorBundle:
    """Crops of rising brightness."""
    assert outcome.items is not None
    count = len(outcome.items.track)
    crops = np.stack([np.full((64, 64, 3), 20 * (i + 1), np.uint8) for i in range(count)])
    key = outcome.key
    return TensorBundle(metadata(), {key: crops}, {key: outcome.items.frame}, {key: outcome.items.track})


@pytest.mark.parametrize(
    ("scores", "tracks", "expected"),
    [([0.6, 0.9, 0.7, 0.8], [0, 0, 0, 1], [1, 2]), ([0.4, 0.1, 0.3, 0.2], [0, 0, 0, 0], [1, 3])],
)
def test_the_items_that_moved_the_score_most_are_shown(
    scores: list[float], tracks: list[int], expected: list[int]
) -> None:
    assert strongest(outcome_of(scores, tracks, None), 2) == expected


@pytest.mark.anyio
async def test_a_graph_with_a_heatmap_is_asked_for_it_once() -> None:
    backend = Brightness()
    outcome = outcome_of([0.1, 0.2, 0.3, 0.9], [0, 0, 0, 0], backend, heatmap="heatmap")
    shown = (await show([outcome], bundle_of(outcome), 5.0))["bright"].heatmaps
    assert backend.batches == [3]
    assert [each.method for each in shown] == ["class_activation"] * 3
    assert [each.score for each in shown] == [0.9, 0.3, 0.2]
    assert shown[0].grid[0][0] == pytest.approx(80 / 255, abs=1e-4)
    assert shown[0].track == 0


@pytest.mark.anyio
async def test_what_cannot_be_shown_says_why() -> None:
    outcome = outcome_of([0.9], [0], Brightness(refuses=True))
    shown = (await show([outcome], bundle_of(outcome), 5.0))["bright"]
    assert shown.heatmaps == ()
    assert shown.reason == "bright 1 is out of order"


@pytest.mark.parametrize(
    ("spec", "box"),
    [
        (FaceCrop(size=64, margin=1.3), (2.5, 2.5, 65.0, 65.0)),
        (FaceCrop(size=64, margin=1.2, fit="stretch"), (5.0, 5.0, 60.0, 60.0)),
        (FaceCrop(size=64, margin=2.0, fit="stretch"), (0.0, 0.0, 85.0, 85.0)),
        (FaceCrop(size=64, align="eyes"), None),
        (Waveform(samples=1600), None),
    ],
)
def test_a_heatmap_says_which_part_of_the_frame_it_covers(
    spec: InputSpec, box: tuple[float, float, float, float] | None
) -> None:
    assert region_of(spec, metadata(), 0, 0) == (None if box is None else pytest.approx(box))
