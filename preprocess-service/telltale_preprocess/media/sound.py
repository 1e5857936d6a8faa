"""Decode a sound track to mono float32 PCM at one or several rates, in one pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from telltale_preprocess.errors import DamagedMedia
from telltale_preprocess.media.container import open_container
from telltale_preprocess.media.timeline import audio_stream


def decode_sound(file: BinaryIO, rates: Iterable[int]) -> dict[int, NDArray[np.float32]]:
    """The first sound track as float32 [samples] in [-1, 1] for each rate in Hz; the mean of its channels.

    The channels are averaged here, since a resampler's own mix depends on the sample format and may exceed 1.

    Raises:
        DamagedMedia: not one sample could be decoded.
    """
    chunks: dict[int, list[NDArray[np.float32]]] = {rate: [] for rate in rates}
    with open_container(file) as container:
        stream = audio_stream(container)
        if stream is None:
            raise DamagedMedia("The sound track cannot be opened a second time.")
        stream.codec_context.thread_count = 1
        resamplers = {rate: AudioResampler(format="fltp", rate=rate) for rate in chunks}
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
                frames = stream.decode(packet)
            except (StopIteration, av.EOFError):
                break
            except av.FFmpegError:
                # A broken packet costs its own samples; a broken container ends the loop, its packets are over.
                continue
            for frame in frames:
                for rate, resampler in resamplers.items():
                    chunks[rate].extend(_mono(resampler.resample(frame)))
    for rate, resampler in resamplers.items():
        if chunks[rate]:
            chunks[rate].extend(_mono(resampler.resample(None)))
    if not all(chunks.values()):
        raise DamagedMedia("Its sound track holds no sample that can be decoded.")
    return {rate: np.clip(np.nan_to_num(np.concatenate(parts)), -1.0, 1.0) for rate, parts in chunks.items()}


def _mono(frames: list[AudioFrame]) -> list[NDArray[np.float32]]:
    return [np.asarray(frame.to_ndarray(), dtype=np.float32).mean(axis=0) for frame in frames]
