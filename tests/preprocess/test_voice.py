"""Pitch and spectrum of a sound, against librosa and against sounds whose pitch is known."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
from telltale_preprocess.auditory import audio_facts
from telltale_preprocess.features.speech import SPEECH_RATE, SPEECH_WINDOW, SpeechDetector
from telltale_preprocess.features.voice import magnitudes, pitch_track, spectral_centroid, spectral_contrast, yin

from tests import clips

SECONDS = 3


def pulses(hz: float) -> clips.Sound:
    """What vocal folds give: a train of pulses, here with fifteen harmonics."""
    t = np.arange(SECONDS * SPEECH_RATE) / SPEECH_RATE
    harmonics = np.arange(1, 16)[:, np.newaxis]
    return (0.3 / harmonics * np.cos(2 * np.pi * harmonics * hz * t)).sum(axis=0).astype(np.float32)


def everywhere(sound: clips.Sound) -> np.ndarray:
    """As if somebody spoke all the time."""
    return np.ones(-(-len(sound) // SPEECH_WINDOW), dtype=np.bool_)


@pytest.mark.parametrize("hz", [70.0, 103.7, 180.0, 251.3, 440.0])
def test_the_pitch_of_a_steady_voice_is_its_frequency(hz: float) -> None:
    pitch = pitch_track(pulses(hz), everywhere(pulses(hz)))
    assert len(pitch) > 80
    np.testing.assert_allclose(pitch, hz, rtol=0.005)
    facts = audio_facts(pulses(hz), everywhere(pulses(hz)))
    assert facts.pitch_hz == pytest.approx(hz, rel=0.005)
    assert facts.pitch_stability is not None
    assert facts.pitch_stability > 0.995


def test_the_pitch_of_a_voice_is_librosas(voice: clips.Sound) -> None:
    speech = SpeechDetector().speech_windows(voice)
    pitch = pitch_track(voice, speech)
    assert len(pitch) > 10
    theirs = librosa.yin(voice, fmin=60, fmax=500, sr=SPEECH_RATE, frame_length=1024, hop_length=64, center=False)
    for hz in pitch:
        assert np.min(np.abs(theirs / hz - 1.0)) < 0.02
    assert np.median(pitch) == pytest.approx(np.median(theirs), rel=0.1)


def test_a_voice_that_glides_is_less_stable_than_a_steady_one() -> None:
    t = np.arange(SECONDS * SPEECH_RATE) / SPEECH_RATE
    glide = (0.3 * np.sin(2 * np.pi * (100 * t + 100 * t**2 / (2 * SECONDS)))).astype(np.float32)
    facts = audio_facts(glide, everywhere(glide))
    # From 100 to 200 Hz evenly: mean 150, standard deviation 100 / sqrt(12).
    assert facts.pitch_hz == pytest.approx(150, rel=0.03)
    assert facts.pitch_stability == pytest.approx(1 - 100 / np.sqrt(12) / 150, abs=0.02)


def test_noise_and_silence_have_no_pitch() -> None:
    noise = np.random.default_rng(3).normal(0, 0.1, SECONDS * SPEECH_RATE).astype(np.float32)
    assert len(pitch_track(noise, everywhere(noise))) == 0
    assert len(yin(np.zeros((4, 1024), dtype=np.float32))) == 0
    silence = audio_facts(np.zeros(SPEECH_RATE, dtype=np.float32), np.zeros(32, dtype=np.bool_))
    assert silence.silence_ratio == 1.0
    assert (silence.pitch_hz, silence.pitch_stability) == (None, None)
    assert (silence.spectral_centroid_hz, silence.spectral_contrast_db) == (None, None)


def test_a_pitch_is_looked_for_only_where_somebody_speaks() -> None:
    sound = np.concatenate([pulses(120.0), pulses(210.0)])
    speech = everywhere(sound)
    speech[len(speech) // 2 - 2 :] = False
    np.testing.assert_allclose(pitch_track(sound, speech), 120.0, rtol=0.005)


@pytest.mark.parametrize("kind", ["voice", "noise", "pulses"])
def test_centroid_and_contrast_are_librosas(kind: str, voice: clips.Sound) -> None:
    noise = np.random.default_rng(5).normal(0, 0.1, 2 * SPEECH_RATE).astype(np.float32)
    sound = {"voice": voice[: 2 * SPEECH_RATE], "noise": noise, "pulses": pulses(140.0)[: len(noise)] + 0.01 * noise}[
        kind
    ]
    ours = magnitudes(sound, 0.0)
    theirs = np.abs(librosa.stft(sound, n_fft=2048, hop_length=512))
    np.testing.assert_allclose(ours.T, theirs, atol=2e-3)
    centroid = librosa.feature.spectral_centroid(S=theirs, sr=SPEECH_RATE)
    contrast = librosa.feature.spectral_contrast(S=theirs, sr=SPEECH_RATE, n_bands=5)
    assert spectral_centroid(ours) == pytest.approx(centroid.mean(), rel=1e-3)
    assert spectral_contrast(ours) == pytest.approx(contrast.mean(), abs=0.05)


def test_silent_windows_do_not_count() -> None:
    noise = np.random.default_rng(5).normal(0, 0.1, SPEECH_RATE).astype(np.float32)
    padded = np.concatenate([noise, np.zeros(SPEECH_RATE, dtype=np.float32)])
    assert len(magnitudes(padded, 1e-3)) == pytest.approx(len(magnitudes(noise, 1e-3)), abs=3)


def test_a_long_sound_costs_no_more_windows() -> None:
    noise = np.random.default_rng(5).normal(0, 0.1, 60 * SPEECH_RATE).astype(np.float32)
    assert len(magnitudes(noise, 1e-3)) == 128


def test_level_and_silence_are_what_was_put_in() -> None:
    sound = np.concatenate([0.5 * np.ones(SPEECH_RATE), np.zeros(3 * SPEECH_RATE)]).astype(np.float32)
    facts = audio_facts(sound, np.zeros(125, dtype=np.bool_))
    assert facts.rms == pytest.approx(0.25)
    assert facts.silence_ratio == pytest.approx(0.75)
