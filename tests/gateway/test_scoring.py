from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from telltale_contracts import Missing, Segment, TensorBundle
from telltale_gateway.analysis.scoring import counted_items, score
from telltale_gateway.rollout import Readiness

from .outcomes import deployed, dispatcher, metadata

DOWN = Readiness(ready=False, reason="triton does not answer")


@pytest.mark.anyio
async def test_a_detector_that_does_not_apply_has_not_failed_though_its_server_is_down() -> None:
    voice = replace(deployed("voice", "voice"), readiness=DOWN)
    missing = Missing(key=voice.manifest.input.key(), reason="no_audio", detail="The video has no sound track.")
    bundle = TensorBundle(metadata().model_copy(update={"missing": (missing,)}))
    outcome = await score(voice, bundle, dispatcher(), 1.0)
    assert (outcome.status, outcome.missing) == ("not_applicable", "no_audio")


@pytest.mark.anyio
async def test_a_medium_that_the_card_does_not_list_is_not_voted_on_and_is_no_failure() -> None:
    outcome = await score(
        replace(deployed("blend", "face_swap"), readiness=DOWN), TensorBundle(metadata()), dispatcher(), 1.0
    )
    assert outcome.status == "not_applicable"
    assert outcome.reason == "version 1 was never measured on video"
    assert outcome.unmeasured
    assert not outcome.absent


@pytest.mark.anyio
async def test_a_medium_that_the_card_excludes_is_not_voted_on_and_the_figures_say_why() -> None:
    blend = deployed("blend", "face_swap")
    assert blend.release is not None
    card = blend.release.card.model_copy(update={"excluded": {"video": "its EER there is 0.40"}})
    excluding = replace(blend, release=replace(blend.release, card=card))
    outcome = await score(excluding, TensorBundle(metadata()), dispatcher(), 1.0)
    assert outcome.status == "not_applicable"
    assert outcome.reason == "version 1 does not vote on video: its EER there is 0.40"
    assert outcome.unmeasured


@pytest.mark.parametrize(
    ("speech", "counted"),
    [([0.9, 0.0, 0.3, 0.1], [0, 2]), ([0.1, 0.2, 0.0], [1]), ([1.0], [0]), ([0.0, 0.0], [0, 1])],
)
def test_only_segments_in_which_somebody_speaks_count(speech: list[float], counted: list[int]) -> None:
    voice = deployed("voice", "voice")
    key = voice.manifest.input.key()
    items = len(speech)
    index, no_track = np.arange(items, dtype=np.int32), np.full(items, -1, np.int32)
    segments = tuple(Segment(start=i, end=i + 1, speech=share) for i, share in enumerate(speech))
    facts = metadata("audio").model_copy(update={"segments": {key: segments}})
    bundle = TensorBundle(facts, {key: np.zeros((items, 16_000), np.float32)}, {key: index}, {key: no_track})
    assert list(counted_items(voice, bundle)) == counted
