"""Sound files as the served model sees them: mono PCM at 16 kHz, in segments."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from numpy.typing import NDArray

from telltale_export.errors import DataError

SAMPLE_RATE = 16_000
SEGMENT_SAMPLES = 64_000

Pcm = NDArray[np.float32]


def read_sound(path: Path) -> Pcm:
    """Decode a file's first audio stream to mono at 16 kHz: float32 [samples] in [-1, 1].

    Raises:
        DataError: it cannot be decoded, or holds no sound.
    """
    try:
        with path.open("rb") as stream:
            pcm = decode(stream)
    except (OSError, av.FFmpegError, IndexError) as error:
        raise DataError(f"{path} cannot be decoded: {error}.", "Replace it, or take its line out.") from error
    if not len(pcm):
        raise DataError(f"{path} holds no sound.", "Replace it, or take its line out.")
    return pcm


def decode(stream: BinaryIO) -> Pcm:
    """Decode an open container's first audio stream to mono at 16 kHz: float32 [samples] in [-1, 1]."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
    with av.open(stream, "r") as container:
        frames = [part for frame in container.decode(audio=0) for part in resampler.resample(frame)]
    frames += resampler.resample(None)
    parts = [frame.to_ndarray()[0] for frame in frames]
    return np.concatenate(parts).astype(np.float32) if parts else np.zeros(0, np.float32)


def repeat_to(pcm: Pcm, samples: int) -> Pcm:
    """At least ``samples`` long: a shorter sound is repeated and cut there."""
    return pcm if len(pcm) >= samples else np.tile(pcm, -(-samples // len(pcm)))[:samples]


def segments(pcm: Pcm, samples: int = SEGMENT_SAMPLES) -> Pcm:
    """Segments side by side: [samples of sound] -> [N, samples].

    A shorter sound is repeated. What is left over at the end makes one more segment, laid flush with the end, when it
    is half a segment or more: the rule of preprocessing for a waveform without overlap.
    """
    if len(pcm) <= samples:
        return repeat_to(pcm, samples)[None]
    starts = list(range(0, len(pcm) - samples + 1, samples))
    if len(pcm) - starts[-1] - samples >= samples / 2:
        starts.append(len(pcm) - samples)
    return np.stack([pcm[start : start + samples] for start in starts])
