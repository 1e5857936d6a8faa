"""Real recordings, where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from telltale_contracts import FaceCrop, Recipe, Sampling

from tests.clips import ROOT
from tests.preprocess.service import Service

VIDEOS = ROOT.parent / "shared/media/video"


@pytest.mark.media
@pytest.mark.skipif(not VIDEOS.is_dir(), reason="../shared/media is not there")
def test_every_recording_of_a_person_shows_a_face_in_nearly_every_frame(service: Service) -> None:
    recipe = Recipe(inputs=(FaceCrop(size=64),), sampling=Sampling(max_frames=6))
    rates: dict[str, float] = {}
    for path in sorted(Path(VIDEOS).rglob("*.mp4")):
        bundle = service.bundle(path, recipe)
        seen = {observation.frame for track in bundle.metadata.tracks for observation in track.observations}
        rates[path.name] = len(seen) / len(bundle.metadata.frames)
    assert rates
    assert {name: rate for name, rate in rates.items() if rate < 0.8} == {}
