"""Real recordings, where they are at hand."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image as Pillow
from telltale_contracts import FaceCrop, Recipe, Sampling
from telltale_preprocess.faces.crops import resize
from telltale_preprocess.pipeline import Preprocessor

from tests.clips import ROOT
from tests.preprocess.service import Service

VIDEOS = ROOT.parent / "shared/media/video"
WEIGHTS = ROOT.parent / "shared/weights"


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


@pytest.mark.media
@pytest.mark.skipif(not VIDEOS.is_dir(), reason="../shared/media is not there")
def test_a_recording_of_one_person_is_one_track(preprocessor: Preprocessor) -> None:
    recipe = Recipe(inputs=(FaceCrop(size=64),), sampling=Sampling(max_frames=12))
    stray: dict[str, list[int]] = {}
    alone = [*VIDEOS.glob("real/kwaivgi-*.mp4"), *VIDEOS.glob("fake/x-lance-*.mp4"), *VIDEOS.glob("*/opentalker-*.mp4")]
    for path in alone:
        with path.open("rb") as file:
            tracks = preprocessor.preprocess(file, recipe).metadata.tracks
        lengths = [sum(observation.usable for observation in track.observations) for track in tracks]
        if max(lengths) < 0.9 * sum(lengths):
            stray[path.name] = lengths
    assert alone
    assert stray == {}


@pytest.mark.media
@pytest.mark.skipif(not VIDEOS.is_dir(), reason="../shared/media is not there")
def test_small_faces_of_a_crowd_are_found_on_tiles(preprocessor: Preprocessor) -> None:
    recipe = Recipe(inputs=(FaceCrop(size=64),), sampling=Sampling(max_frames=12))
    with (VIDEOS / "real/timesler-video.mp4").open("rb") as file:
        bundle = preprocessor.preprocess(file, recipe)
    (spec,) = recipe.inputs
    # Without tiles 16 faces are found in these twelve frames, with them 29.
    assert len(bundle.tensors[spec.key()]) >= 24
    assert 4 <= len(bundle.metadata.tracks) <= 20


@pytest.mark.media
@pytest.mark.skipif(not VIDEOS.is_dir(), reason="../shared/media is not there")
def test_people_who_were_cut_together_are_parted(tmp_path: Path, preprocessor: Preprocessor) -> None:
    names = ["kwaivgi-d10", "kwaivgi-d3", "kwaivgi-d10", "opentalker-WDA_AlexandriaOcasioCortez_000"]
    path = tmp_path / "cut.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "20", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 512, 512, "yuv420p"
        for name in names:
            with av.open(str(VIDEOS / f"real/{name}.mp4")) as source:
                for frame, _ in zip(source.decode(video=0), range(50), strict=False):
                    out.mux(stream.encode(av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), "rgb24")))
        out.mux(stream.encode())
    recipe = Recipe(inputs=(FaceCrop(size=64),), sampling=Sampling(max_frames=20))
    with path.open("rb") as file:
        tracks = preprocessor.preprocess(file, recipe).metadata.tracks
    seen = [[observation.frame for observation in track.observations] for track in tracks]
    assert seen == [[*range(5), *range(10, 15)], list(range(5, 10)), list(range(15, 20))]


@pytest.mark.media
@pytest.mark.skipif(not WEIGHTS.is_dir(), reason="../shared/weights is not there")
def test_scaled_faces_are_close_to_those_that_published_scores_were_computed_on() -> None:
    paths = sorted(WEIGHTS.rglob("meso-images/**/*.jpg"))
    assert paths
    for path in paths:
        picture = Pillow.open(path).convert("RGB")
        published = np.asarray(picture.resize((256, 256), Pillow.Resampling.BILINEAR), dtype=np.int64)
        ours = resize(np.asarray(picture), 256, 256)
        assert np.abs(published - ours).mean() < 0.2
        assert np.abs(published - ours).max() <= 8
