"""Decode a sound track to mono float32 PCM at one or several rates, in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import BinaryIO

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from telltale_preprocess.errors import DamagedMedia, MediaTooLong
from telltale_preprocess.media.container import open_container, packets_of
from telltale_preprocess.media.timeline import audio_stream


def decode_sound(file: BinaryIO, rates: Iterable[int], *, max_seconds: float) -> dict[int, NDArray[np.float32]]:
    """The first sound track as float32 [samples] in [-1, 1] for each rate in Hz; the mean of its channels.

    The channels are averaged here, since a resampler's own mix depends on the sample format and may exceed 1.

    Raises:
        DamagedMedia: not one sample could be decoded.
        MediaTooLong: more than ``max_seconds`` came out, whatever the packets said.
    """
    tracks = {rate: _Track(rate) for rate in rates}
    with open_container(file) as container:
        stream = audio_stream(container)
        if stream is None:
            raise DamagedMedia("The sound track cannot be opened a second time.")
        stream.codec_context.thread_count = 1
        for frame in sound_frames(container, stream):
            frame.pts = None
            for track in tracks.values():
                track.add(frame)
                if track.seconds > max_seconds:
                    raise MediaTooLong(f"Its sound goes on after {max_seconds:.0f} s, the most that is allowed.")
    return {rate: track.finish() for rate, track in tracks.items()}


class _Track:
    """One mono track at one rate, as it grows."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resampler = AudioResampler(format="fltp", rate=rate)
        self._source: tuple[str, str, int] | None = None
        self._parts: list[NDArray[np.float32]] = []
        self._samples = 0

    @property
    def seconds(self) -> float:
        return self._samples / self._rate

    def add(self, frame: AudioFrame) -> None:
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._source is not None and source != self._source:
            # The stream changed its format on the way; a resampler is for one format.
            self._take(self._resampler.resample(None))
            self._resampler = AudioResampler(format="fltp", rate=self._rate)
        self._source = source
        self._take(self._resampler.resample(frame))

    def finish(self) -> NDArray[np.float32]:
        if self._source is not None:
            self._take(self._resampler.resample(None))
        if not self._samples:
            raise DamagedMedia("Its sound track holds no sample that can be decoded.")
        return np.clip(np.nan_to_num(np.concatenate(self._parts)), -1.0, 1.0)

    def _take(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            self._parts.append(np.asarray(frame.to_ndarray(), dtype=np.float32).mean(axis=0))
            self._samples += frame.samples


def sound_frames(container: InputContainer, stream: AudioStream) -> Iterator[AudioFrame]:
    """Decoded frames from where the container stands; a broken packet costs its own samples, a broken container ends
    the sound."""
    packets = packets_of(container, stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return
        try:
            frames = stream.decode(packet)
        except av.EOFError:
            return
        except av.FFmpegError:
            continue
        yield from frames
