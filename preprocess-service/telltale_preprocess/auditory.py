"""From decoded sound to segments and their features."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import AudioFacts, Lfcc, LogMel, LogSpectrogram, Segment, SoundSpec, Waveform

from telltale_preprocess.features.segments import segment_starts
from telltale_preprocess.features.spectra import lfcc, log_mel, log_spectrogram
from telltale_preprocess.features.speech import SPEECH_RATE, speech_seconds, speech_share
from telltale_preprocess.features.voice import magnitudes, pitch_track, spectral_centroid, spectral_contrast

_SILENCE_RMS = 1e-3
_SILENCE_FRAME = 400


def audio_facts(sound: NDArray[np.float32], speech: NDArray[np.bool_]) -> AudioFacts:
    """Facts of a 16 kHz mono sound; silence is a stretch of 25 ms under -60 dBFS.

    Some 10 ms for ten seconds and for any longer sound.
    """
    usable = len(sound) - len(sound) % _SILENCE_FRAME
    levels = np.sqrt(np.mean(np.square(sound[:usable].reshape(-1, _SILENCE_FRAME)), axis=1))
    duration = len(sound) / SPEECH_RATE
    pitch = pitch_track(sound, speech)
    spectra = magnitudes(sound, _SILENCE_RMS)
    return AudioFacts(
        duration_s=duration,
        speech_s=min(duration, speech_seconds(speech)),
        rms=float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))) if len(sound) else 0.0,
        silence_ratio=float(np.mean(levels < _SILENCE_RMS)) if len(levels) else 0.0,
        pitch_hz=float(pitch.mean()) if len(pitch) else None,
        pitch_stability=max(0.0, 1.0 - float(pitch.std() / pitch.mean())) if len(pitch) else None,
        spectral_centroid_hz=spectral_centroid(spectra) if len(spectra) else None,
        spectral_contrast_db=spectral_contrast(spectra) if len(spectra) else None,
    )


def describe_segments(total: int, spec: SoundSpec, speech: NDArray[np.bool_]) -> tuple[Segment, ...]:
    """When each segment begins and ends, and how much of it is speech."""
    described = []
    for start in segment_starts(total, spec):
        begin = float(start) / spec.sample_rate
        end = min(int(start) + spec.samples, total) / spec.sample_rate
        described.append(Segment(start=begin, end=end, speech=speech_share(speech, begin, end)))
    return tuple(described)


def segments_tensor(segments: NDArray[np.float32], spec: SoundSpec) -> NDArray[np.float32]:
    """What the spec asks for, from segments of the sound at the spec's rate: float32 [segments, ...]."""
    match spec:
        case Waveform():
            return segments
        case LogSpectrogram():
            return log_spectrogram(segments, spec)
        case LogMel():
            return log_mel(segments, spec)
        case Lfcc():
            return lfcc(segments, spec)
