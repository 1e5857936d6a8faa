"""What a checkpoint needs at the other end: preprocessing and the converted graph give the published pipeline's score.

Here the published pipelines are written out anew: how they cut and scale a face, how they read a sound.
"""

from __future__ import annotations

from pathlib import Path

import av
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from telltale_contracts import Recipe, Sampling, TensorBundle
from telltale_export.architectures import find_architecture
from telltale_export.checkpoints import read_checkpoint
from telltale_export.conversion.convert import Conversion, convert
from telltale_export.conversion.manifests import manifest_of
from telltale_export.conversion.source import Source, load_source
from telltale_export.packaging import score_artifact
from telltale_export.preprocessing import fetch_bundle

SHARED = Path(__file__).parents[4] / "shared"
WEIGHTS, MEDIA = SHARED / "weights", SHARED / "media"
SAMPLES, RATE = 64_600, 16_000
FRAMES = 4

pytestmark = [
    pytest.mark.media,
    pytest.mark.skipif(not (WEIGHTS.is_dir() and MEDIA.is_dir()), reason="needs ../shared/weights and ../shared/media"),
]


class Detector:
    """A published checkpoint, in its own framework and converted."""

    def __init__(self, name: str, checkpoint: str, repository: Path) -> None:
        self.architecture = find_architecture(name)
        self.source: Source = load_source(self.architecture, read_checkpoint(WEIGHTS / checkpoint))
        self.folder = convert(Conversion(self.architecture, WEIGHTS / checkpoint, repository, name)).folder

    def bundle(self, service: str, medium: Path) -> TensorBundle:
        """The medium as preprocessing cuts it for this detector."""
        recipe = Recipe(inputs=(self.architecture.input,), sampling=Sampling(max_frames=FRAMES))
        with httpx.Client(base_url=service, timeout=120) as client:
            bundle = fetch_bundle(client, medium, recipe.model_dump_json())
        assert bundle is not None
        return bundle

    def served(self, bundle: TensorBundle) -> NDArray[np.float32]:
        """P(fake) of each item by the converted graph."""
        manifest = manifest_of(self.architecture, self.architecture.name, "tfserving" if self._keras else "triton")
        return score_artifact(self.folder, manifest.tensors, bundle.tensors[self.architecture.input.key()])

    @property
    def _keras(self) -> bool:
        return self.architecture.framework == "keras"


@pytest.fixture(scope="module")
def aasist(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    """AASIST."""
    return Detector("aasist", "AASIST.pth", tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def meso4(tmp_path_factory: pytest.TempPathFactory) -> Detector:
    """Meso4, trained on deepfakes."""
    return Detector("meso4", "Meso4_DF.h5", tmp_path_factory.mktemp("models"))


@pytest.mark.parametrize(
    ("medium", "tolerance"),
    [
        # A sound of 16 kHz is the same samples either way; what is left is the converted graph's own rounding.
        ("audio/jik876/gt/17366c7e79.flac", 1e-4),
        ("audio/neonbjb/tortoise/06c33463a7.flac", 1e-4),
        ("audio/resemble-ai/bonafide/0459594c93.flac", 1e-4),
        # The published pipeline resamples into a file of 16 bits, preprocessing keeps the fractions: half a step apart.
        ("video/fake/x-lance-Einstein-english_male.mp4", 5e-3),
        ("video/real/opentalker-WDA_AlexandriaOcasioCortez_000.mp4", 5e-3),
    ],
)
def test_aasist_hears_what_its_own_evaluation_reads(
    service: str, aasist: Detector, medium: str, tolerance: float
) -> None:
    served = aasist.served(aasist.bundle(service, MEDIA / medium))[0]

    published = aasist.source.answer(_wave(MEDIA / medium)[None])["probability"][0]

    assert served == pytest.approx(published, abs=tolerance)


@pytest.mark.parametrize(
    "medium",
    [
        "media/video/real/yuvalnirkin-conan_obrien.mp4",
        "media/video/fake/s0md3v-snapshot.mp4",
        "weights/meso-images/df_df00204.jpg",
        "weights/meso-images/real_real00772.jpg",
    ],
)
def test_meso4_sees_what_its_own_evaluation_cuts(service: str, meso4: Detector, medium: str) -> None:
    bundle = meso4.bundle(service, SHARED / medium)
    served = meso4.served(bundle)

    published = meso4.source.answer(np.stack(_faces(bundle, SHARED / medium, meso4)))["probability"]

    # The same face box; PIL's bilinear filter against the one of preprocessing, and corners on whole pixels here, on
    # fractions there. That moves a score by up to 0.03, where another margin or value range moves it by 0.2 and more.
    assert served == pytest.approx(published, abs=0.05)


def test_a_wrong_margin_would_be_seen(service: str, meso4: Detector) -> None:
    """The tolerance above is narrow enough to tell the crop that the network was trained on from another."""
    medium = SHARED / "weights/meso-images/df_df00204.jpg"
    bundle = meso4.bundle(service, medium)
    served = meso4.served(bundle)

    wide = meso4.source.answer(np.stack(_faces(bundle, medium, meso4, margin=1.0)))["probability"]

    assert np.abs(served - wide).max() > 0.05


def _wave(path: Path) -> NDArray[np.float32]:
    """Mono at 16 kHz with 16 bits, the first 64600 samples, repeated when shorter."""
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(str(path)) as container:
        frames = [frame for decoded in container.decode(audio=0) for frame in resampler.resample(decoded)]
    frames += resampler.resample(None)
    pcm = np.concatenate([frame.to_ndarray()[0] for frame in frames]) / 32768.0
    return np.tile(pcm, -(-SAMPLES // len(pcm)))[:SAMPLES].astype(np.float32)


def _faces(bundle: TensorBundle, path: Path, detector: Detector, margin: float = 1.3) -> list[NDArray[np.uint8]]:
    """Each face of the bundle, cut from the picture itself: a square of 1.3 times the box, to 256 by PIL's bilinear."""
    pictures = _pictures(bundle, path)
    key = detector.architecture.input.key()
    boxes = {(track.track, seen.frame): seen.box for track in bundle.metadata.tracks for seen in track.observations}
    crops = []
    for frame, track in zip(bundle.frame[key].tolist(), bundle.track[key].tolist(), strict=True):
        x, y, width, height = boxes[track, frame]
        side = round(max(width, height) * margin)
        left, top = round(x + width / 2 - side / 2), round(y + height / 2 - side / 2)
        framed = np.pad(pictures[frame], ((side, side), (side, side), (0, 0)), mode="edge")
        crop = framed[top + side : top + 2 * side, left + side : left + 2 * side]
        crops.append(np.asarray(Image.fromarray(crop).resize((256, 256), Image.Resampling.BILINEAR)))
    return crops


def _pictures(bundle: TensorBundle, path: Path) -> dict[int, NDArray[np.uint8]]:
    if path.suffix != ".mp4":
        return {0: np.asarray(Image.open(path).convert("RGB"))}
    wanted = {frame.index: place for place, frame in enumerate(bundle.metadata.frames)}
    with av.open(str(path)) as container:
        decoded = enumerate(container.decode(video=0))
        return {wanted[index]: frame.to_ndarray(format="rgb24") for index, frame in decoded if index in wanted}
