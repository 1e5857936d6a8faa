from __future__ import annotations

from dataclasses import replace

import pytest
from telltale_contracts import Missing, TensorBundle
from telltale_gateway.analysis.scoring import score
from telltale_gateway.rollout import Readiness

from .outcomes import deployed, metadata

DOWN = Readiness(ready=False, reason="triton does not answer")


@pytest.mark.anyio
async def test_a_detector_that_does_not_apply_has_not_failed_though_its_server_is_down() -> None:
    voice = replace(deployed("voice", "voice"), readiness=DOWN)
    missing = Missing(key=voice.manifest.input.key(), reason="no_audio", detail="The video has no sound track.")
    bundle = TensorBundle(metadata().model_copy(update={"missing": (missing,)}))
    outcome = await score(voice, bundle, 1.0)
    assert (outcome.status, outcome.missing) == ("not_applicable", "no_audio")


@pytest.mark.anyio
async def test_a_medium_that_the_card_does_not_list_is_not_voted_on_and_is_no_failure() -> None:
    outcome = await score(replace(deployed("blend", "face_swap"), readiness=DOWN), TensorBundle(metadata()), 1.0)
    assert outcome.status == "not_applicable"
    assert outcome.reason == "version 1 was never measured on video"
    assert not outcome.absent
