"""scattering-wave: the transform is kymatio's, the sound's way into a picture librosa's."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from kymatio.torch import Scattering2D
from telltale_contracts import Waveform
from telltale_export.architectures import build, find_architecture
from telltale_export.architectures.networks.mel_image import MelImage
from telltale_export.architectures.networks.scattering_transform import Scattering2d
from telltale_export.conversion.probes import probes

ROOT = Path(__file__).resolve().parents[3]
LIBROSA = """
import sys, librosa, numpy as np
sounds = np.load(sys.argv[1])
emphasised = [librosa.effects.preemphasis(sound) for sound in sounds]
mels = [librosa.feature.melspectrogram(y=y, sr=16000, n_fft=2048, hop_length=512, n_mels=256) for y in emphasised]
np.save(sys.argv[2], np.stack([librosa.power_to_db(mel, ref=np.max) for mel in mels]))
"""


@pytest.mark.parametrize(("scales", "angles", "size"), [(2, 4, 32), (3, 6, 64)])
def test_the_transform_is_kymatios(scales: int, angles: int, size: int) -> None:
    ours, theirs = Scattering2d(scales, angles, size), Scattering2D(scales, shape=(size, size), L=angles)
    pictures = torch.rand(3, size, size, generator=torch.Generator().manual_seed(5))
    expected = theirs(pictures)
    assert expected.shape == (3, ours.channels, ours.side, ours.side)
    np.testing.assert_allclose(ours(pictures), expected, atol=2e-6)


def test_the_filters_have_the_names_that_kymatio_gives_them() -> None:
    ours, theirs = Scattering2d(3, 4, 32).state_dict(), Scattering2D(3, shape=(32, 32), L=4).state_dict()
    assert list(ours) == list(theirs)
    for name, filter_ in theirs.items():
        np.testing.assert_array_equal(ours[name], filter_)


def test_the_spectrogram_is_librosas(tmp_path: Path) -> None:
    sounds = probes(Waveform(samples=32_000), 3, 6)
    given, answered = tmp_path / "sounds.npy", tmp_path / "decibels.npy"
    np.save(given, sounds)
    python = ROOT / ".venvs/services/bin/python"
    subprocess.run([python, "-c", LIBROSA, given, answered], check=True, timeout=220)
    image = MelImage(32_000, size=256, bands=256, n_fft=2048, hop=512, sample_rate=16_000)
    expected = np.load(answered)
    np.testing.assert_allclose(image.decibels(torch.from_numpy(sounds)), expected, atol=0.05)
    pictures = image(torch.from_numpy(sounds))
    assert pictures.shape == (3, 256, 256)
    assert float(pictures.min()) >= 0.0
    assert float(pictures.max()) <= 1.0


def test_a_low_tone_is_bright_at_the_bottom() -> None:
    time = np.arange(32_000, dtype=np.float32) / 16_000
    image = MelImage(32_000, size=256, bands=256, n_fft=2048, hop=512, sample_rate=16_000)
    (picture,) = image(torch.from_numpy(np.sin(2 * np.pi * 300 * time)[None]))
    assert int(picture.mean(dim=1).argmax()) > 200


def test_silence_is_a_picture_too() -> None:
    image = MelImage(2_000, size=32, bands=32, n_fft=256, hop=64, sample_rate=16_000)
    assert torch.isfinite(image(torch.zeros(1, 2_000))).all()


@pytest.mark.parametrize("averaged", [False, True])
def test_flattened_and_averaged_coefficients_are_told_apart_by_the_first_layer(averaged: bool) -> None:
    architecture = find_architecture("scattering-wave").at_reduced_width()
    plain = build(architecture).network.scattering
    inputs = plain.channels * (1 if averaged else plain.side**2)
    detector = build(architecture, {"classifier.1.weight": (16, inputs)}).eval()
    assert tuple(detector.network.classifier[1].weight.shape) == (16, inputs)
    sounds = torch.from_numpy(probes(architecture.input, 2, 7))
    with torch.inference_mode():
        logit = detector.network(detector.image(sounds))[:, 0]
        np.testing.assert_allclose(detector(sounds)["probability"], 1.0 - torch.sigmoid(logit), atol=1e-6)
