"""Lossy codecs in memory: what a sound went through before anybody uploads it."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import cast

import av
import numpy as np

from telltale_export.voice.sounds import SAMPLE_RATE, Pcm, decode


@dataclass(frozen=True)
class Codec:
    """One encoder of FFmpeg with its container and bit rate (bits a second; 0 of one without loss)."""

    name: str
    encoder: str
    container: str
    bit_rate: int


CODECS = (
    *(Codec(f"mp3 {rate}k", "libmp3lame", "mp3", rate * 1000) for rate in (24, 48, 96)),
    *(Codec(f"aac {rate}k", "aac", "adts", rate * 1000) for rate in (24, 48, 96)),
    *(Codec(f"opus {rate}k", "libopus", "ogg", rate * 1000) for rate in (12, 20, 40)),
)


def encode(pcm: Pcm, codec: Codec) -> bytes:
    """A file of that codec: from [samples] in [-1, 1] at 16 kHz."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=codec.container) as container:
        stream = cast("av.AudioStream", container.add_stream(codec.encoder, rate=SAMPLE_RATE, layout="mono"))
        if codec.bit_rate:
            stream.bit_rate = codec.bit_rate
        frame = av.AudioFrame.from_ndarray(to_int16(pcm)[None], format="s16", layout="mono")
        frame.sample_rate = SAMPLE_RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


def through_codec(pcm: Pcm, codec: Codec) -> Pcm:
    """Encode and decode: [samples] in [-1, 1] -> [samples], the same length.

    The encoder's delay is not taken out; what it adds at the end is cut, what it lacks is silence.
    """
    decoded = decode(io.BytesIO(encode(pcm, codec)))[: len(pcm)]
    return np.pad(decoded, (0, len(pcm) - len(decoded)))


UNCODED = Codec("wav", "pcm_s16le", "wav", 0)


def to_int16(pcm: Pcm) -> np.ndarray[tuple[int, ...], np.dtype[np.int16]]:
    """Sixteen-bit samples; what exceeds full scale is clipped."""
    return np.round(np.clip(pcm, -1.0, 1.0) * 32767.0).astype(np.int16)


def to_float(pcm: np.ndarray[tuple[int, ...], np.dtype[np.int16]]) -> Pcm:
    """The inverse of ``to_int16``."""
    return pcm.astype(np.float32) / np.float32(32767.0)
