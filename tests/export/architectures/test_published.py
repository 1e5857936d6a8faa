"""Published weights give the scores that their authors' implementations gave."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from telltale_export.architectures import find_architecture
from telltale_export.checkpoints import load_keras, load_torch, read_checkpoint

SHARED = Path(__file__).parents[4] / "shared"
WEIGHTS, MEDIA = SHARED / "weights", SHARED / "media"
REFERENCE = WEIGHTS / "reference.json"
SAMPLES = 64_600

ROUNDED = 1e-4  # the reference has four places; its last may be one off
# The reference was made of this source's sounds before they were cut down, not rounded, to 16 bits. What was cut off is
# lost, between none and one step. Drawn at random, 20 times for each sound, it moves logits by this much at most
# (docs/export.md).
CUT = "audio/neonbjb/"
CUT_OFF = {"AASIST": 1.7e-3, "AASIST-L": 5.5e-3}
STEP = 1.0 / 32768.0

pytestmark = [
    pytest.mark.media,
    pytest.mark.skipif(not REFERENCE.is_file(), reason="needs ../shared/weights, the published weights"),
]


@pytest.mark.parametrize(
    ("architecture", "file", "column"),
    [
        ("meso4", "Meso4_DF.h5", "Meso4_DF"),
        ("meso4", "Meso4_F2F.h5", "Meso4_F2F"),
        ("mesoinception4", "MesoInception_DF.h5", "MesoInc_DF"),
        ("mesoinception4", "MesoInception_F2F.h5", "MesoInc_F2F"),
    ],
)
def test_mesonet_gives_its_reference_scores(architecture: str, file: str, column: str) -> None:
    detector = load_keras(find_architecture(architecture), read_checkpoint(WEIGHTS / file))
    reference = json.loads(REFERENCE.read_text())["meso"]

    scores = detector.served(np.stack([_face(WEIGHTS / "meso-images" / name) for name in reference]))["probability"]

    # The reference is rounded to four places.
    assert 1.0 - np.asarray(scores) == pytest.approx([scored[column] for scored in reference.values()], abs=1e-4)


@pytest.mark.parametrize(
    ("architecture", "file", "column"),
    [("aasist", "AASIST.pth", "AASIST"), ("aasist-l", "AASIST-L.pth", "AASIST-L")],
)
def test_aasist_gives_its_reference_logits(architecture: str, file: str, column: str) -> None:
    detector = load_torch(find_architecture(architecture), read_checkpoint(WEIGHTS / file))
    reference = json.loads(REFERENCE.read_text())["aasist"]
    sounds = {name: scored[column] for name, scored in reference.items() if (MEDIA / name).is_file()}
    if not sounds:
        pytest.skip("needs the sounds of ../shared/media")

    for name, logits in sounds.items():
        with torch.inference_mode():  # one at a time: twelve together take four times as long
            given = detector.network(torch.from_numpy(_reference_sound(name)[None]))[0].numpy()
        tolerance = CUT_OFF[column] if name.startswith(CUT) else ROUNDED
        assert given == pytest.approx(logits, abs=tolerance), name


def _face(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path).convert("RGB").resize((256, 256), Image.Resampling.BILINEAR))


def _reference_sound(name: str) -> NDArray[np.float32]:
    """A sound as the reference was made of it; where steps were cut off, with half a step in their place."""
    pcm = _sound(MEDIA / name)
    return pcm + np.float32(STEP / 2) if name.startswith(CUT) else pcm


def _sound(path: Path) -> NDArray[np.float32]:
    """The first 64600 samples at 16 kHz, repeated when shorter, as AASIST's evaluation reads them."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=16_000)
    with av.open(str(path)) as container:
        frames = [frame for decoded in container.decode(audio=0) for frame in resampler.resample(decoded)]
    frames += resampler.resample(None)
    pcm = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    return np.tile(pcm, -(-SAMPLES // len(pcm)))[:SAMPLES].astype(np.float32)
