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
from telltale_preprocess.media.container import packets_of, reopen_container
from telltale_preprocess.media.timeline import audio_stream

# Frames whose channels are averaged in one go: each alone takes as long as decoding it does.
_TOGETHER = 64


def decode_sound(
    file: BinaryIO, rates: Iterable[int], *, max_seconds: float, origin: float | None = None
) -> dict[int, NDArray[np.float32]]:
    """The first sound track as float32 [samples] in [-1, 1] for each rate in Hz; the mean of its channels.

    The first sample is the one at ``origin`` in seconds of presentation time, so that the sound lies on the clock of a
    picture that begins then; without it, the first there is. A late start and gaps are filled with silence.

    The channels are averaged here, since a resampler's own mix depends on the sample format and may exceed 1.

    Raises:
        DamagedMedia: not one sample could be decoded.
        MediaTooLong: more than ``max_seconds`` came out, whatever the packets said.
    """
    clock = _Clock(origin)
    tracks = {rate: _Track(rate) for rate in rates}
    with reopen_container(file) as container:
        stream = audio_stream(container)
        if stream is None:
            raise DamagedMedia("The sound track cannot be opened a second time.")
        stream.codec_context.thread_count = 1
        for moment, frame in sound_frames(container, stream):
            frame.pts = None
            gap = clock.gap_before(moment, frame)
            if clock.now > max_seconds:
                raise MediaTooLong(f"Its sound goes on after {max_seconds:.0f} s, the most that is allowed.")
            for track in tracks.values():
                track.shift(gap)
                track.add(frame)
    return {rate: track.finish() for rate, track in tracks.items()}


class _Clock:
    """Where the sound is, in seconds from its origin, by its time stamps as far as they say more than the samples."""

    def __init__(self, origin: float | None) -> None:
        self._origin = origin
        self._begun = False
        self.now = 0.0

    def gap_before(self, moment: float | None, frame: AudioFrame) -> float:
        """Seconds of silence before a frame; below zero, at the first frame only: seconds to leave out."""
        if self._origin is None:
            self._origin = moment
        length = frame.samples / frame.sample_rate
        gap = 0.0 if moment is None or self._origin is None else moment - self._origin - self.now
        # Stamps are rounded, and some overlap; what is less than a packet is no gap.
        if self._begun and gap <= length:
            gap = 0.0
        self._begun = True
        self.now += gap + length
        return gap


class _Track:
    """One mono track at one rate, as it grows."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._resampler = AudioResampler(format="fltp", rate=rate)
        self._source: tuple[str, str, int] | None = None
        self._parts: list[NDArray[np.float32]] = []
        self._channels: list[NDArray[np.float32]] = []
        self._samples = 0
        self._left_out = 0
        self._to_leave_out = 0

    def shift(self, seconds: float) -> None:
        """Insert silence, or leave out what comes next."""
        samples = round(seconds * self._rate)
        if samples < 0:
            self._to_leave_out = -samples
        elif samples > 0:
            self._flush()
            self._parts.append(np.zeros(samples, dtype=np.float32))
            self._samples += samples

    def add(self, frame: AudioFrame) -> None:
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._source is not None and source != self._source:
            # The stream changed its format on the way; a resampler is for one format.
            self._flush()
        self._source = source
        self._take(self._resampler.resample(frame))

    def finish(self) -> NDArray[np.float32]:
        self._flush()
        if not self._samples + self._left_out:
            raise DamagedMedia("Its sound track holds no sample that can be decoded.")
        return np.clip(np.nan_to_num(np.concatenate(self._parts)), -1.0, 1.0)

    def _flush(self) -> None:
        if self._source is not None:
            self._take(self._resampler.resample(None))
            self._resampler = AudioResampler(format="fltp", rate=self._rate)
            self._source = None
        self._average()

    def _take(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            left_out = min(self._to_leave_out, frame.samples)
            self._to_leave_out -= left_out
            self._left_out += left_out
            self._channels.append(np.asarray(frame.to_ndarray()[:, left_out:], dtype=np.float32))
            self._samples += frame.samples - left_out
        if len(self._channels) >= _TOGETHER:
            self._average()

    def _average(self) -> None:
        if self._channels:
            self._parts.append(np.concatenate(self._channels, axis=1).mean(axis=0))
            self._channels = []


def sound_frames(container: InputContainer, stream: AudioStream) -> Iterator[tuple[float | None, AudioFrame]]:
    """Decoded frames from where the container stands, each with its presentation time in seconds where it has one; a
    broken packet costs its own samples, a broken container ends the sound."""
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
        for frame in frames:
            # What is drained at the end, by an empty packet, has lost the clock that its stamp counts by.
            yield frame.time if packet.size else None, frame
