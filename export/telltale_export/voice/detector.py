"""What voice-vocoder is, whichever version of it answers."""

from __future__ import annotations

from telltale_contracts import Aggregation, DetectorManifest, TensorNames, Waveform

from telltale_export.voice.sounds import SAMPLE_RATE, SEGMENT_SAMPLES

NAME = "voice-vocoder"


def manifest() -> DetectorManifest:
    """The manifest.

    Waveform and not log_spectrogram: the spectrogram is computed inside the graph, so training and serving cannot
    differ in it, and a segment travels as 256 kB instead of 408 kB.
    """
    return DetectorManifest(
        name=NAME,
        description="Tells vocoded and synthetic speech from recorded speech by its spectrogram.",
        forgery="voice",
        server="triton",
        input=Waveform(sample_rate=SAMPLE_RATE, samples=SEGMENT_SAMPLES, overlap=0.0, pad="repeat", max_segments=32),
        tensors=TensorNames(input="waveform", probability="probability"),
        max_batch=16,
        aggregation=Aggregation(items="mean_log_odds"),
        weight=1.0,
        min_items=1,
    )
