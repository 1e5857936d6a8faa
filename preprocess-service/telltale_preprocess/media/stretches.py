"""Decode stretches of a long sound and nothing of what lies between, where the container says where that is.

A stretch is the same samples as those of the whole sound: it begins on a sample that both the source's rate and every
wanted rate have in common, so that resampling falls on the same grid. (Where AAC leaves noise to the decoder to make
up, that noise is another one.)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from telltale_preprocess.errors import DamagedMedia
from telltale_preprocess.media.container import INDEXED, reopen_container
from telltale_preprocess.media.sound import sound_frames
from telltale_preprocess.media.timeline import audio_stream

# Decoders need what came before (a bit reservoir, an overlap), resamplers a little on both sides.
_DECODER_LEAD_S = 0.5
_RESAMPLER_LEAD_S = 0.05
_WORTH_SEEKING_S = 4.0
_MAX_GRID = 4096


@dataclass(frozen=True)
class Stretch:
    """Samples of a sound from sample ``start`` of the whole on: float32, mono, in [-1, 1]."""

    start: int
    samples: NDArray[np.float32]


def decode_stretches(
    file: BinaryIO, rates: Iterable[int], spans: Sequence[tuple[float, float]], *, origin: float | None = None
) -> dict[int, list[Stretch]]:
    """For each rate in Hz the stretches of the sound track between these seconds, which increase and do not overlap.

    Seconds count from ``origin`` in seconds of presentation time; without it, from the first sample there is. What
    cannot be decoded within a stretch is silent.

    Raises:
        DamagedMedia: not one sample could be decoded.
    """
    wanted = sorted(set(rates))
    found: dict[int, list[Stretch]] = {rate: [] for rate in wanted}
    heard = False
    with reopen_container(file) as container:
        stream = audio_stream(container)
        if stream is None:
            raise DamagedMedia("The sound track cannot be opened a second time.")
        stream.codec_context.thread_count = 1
        reader = _Reader(container, stream, origin)
        for begin, end in spans:
            sounds = [_Sound(rate, wanted) for rate in wanted]
            for time, frame in reader.between(begin, end):
                for sound in sounds:
                    sound.add(time, frame)
            for sound in sounds:
                stretch, any_sample = sound.stretch(begin, end)
                heard = heard or any_sample
                found[sound.rate].append(stretch)
    if not heard:
        raise DamagedMedia("Its sound track holds no sample that can be decoded.")
    return found


class _Reader:
    """Walks forward through a sound track, over what is not wanted."""

    def __init__(self, container: InputContainer, stream: AudioStream, origin: float | None) -> None:
        self._container = container
        self._stream = stream
        self._indexed = container.format.name in INDEXED
        self._frames = self._timed(sound_frames(container, stream))
        self._next = next(self._frames, None)
        first = self._next[0] if self._next is not None else 0.0
        self._origin = first if origin is None else origin

    def between(self, begin: float, end: float) -> Iterator[tuple[float, AudioFrame]]:
        """Frames, and their seconds from the beginning, that cover a stretch and the resampler's lead around it."""
        if self._next is None or begin - (self._next[0] - self._origin) > _WORTH_SEEKING_S:
            self._seek(begin - _DECODER_LEAD_S)
        while self._next is not None:
            time, frame = self._next[0] - self._origin, self._next[1]
            if time >= end + _RESAMPLER_LEAD_S:
                return
            self._next = next(self._frames, None)
            if time + frame.samples / frame.sample_rate > begin - _RESAMPLER_LEAD_S:
                yield time, frame

    def _seek(self, moment: float) -> None:
        base = self._stream.time_base
        if self._indexed and base is not None:
            self._container.seek(max(0, round((self._origin + moment) / base)), stream=self._stream)
            self._frames = self._timed(sound_frames(self._container, self._stream))
            self._next = next(self._frames, None)

    @staticmethod
    def _timed(frames: Iterable[tuple[float | None, AudioFrame]]) -> Iterator[tuple[float, AudioFrame]]:
        following = 0.0
        for moment, frame in frames:
            time = following if moment is None else moment
            following = time + frame.samples / frame.sample_rate
            yield time, frame


class _Sound:
    """One stretch at one rate, as it grows."""

    def __init__(self, rate: int, rates: Sequence[int]) -> None:
        self.rate = rate
        self._rates = rates
        self._resampler = AudioResampler(format="fltp", rate=rate)
        self._source: tuple[str, str, int] | None = None
        self._begin = 0
        self._parts: list[NDArray[np.float32]] = []

    def add(self, time: float, frame: AudioFrame) -> None:
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._source is None:
            self._source = source
            first = round(time * frame.sample_rate)
            skip = -first % _grid(frame.sample_rate, self._rates)
            self._begin = (first + skip) * self.rate // frame.sample_rate
            frame = _without(frame, skip)
        elif source != self._source:
            # Another format in the middle of a stretch: a resampler is for one, the rest stays silent.
            return
        self._take(frame)

    def stretch(self, begin: float, end: float) -> tuple[Stretch, bool]:
        """The samples between two moments, and whether there is any."""
        if self._source is not None:
            self._take(None)
        first, last = round(begin * self.rate), round(end * self.rate)
        samples = np.zeros(last - first, dtype=np.float32)
        found = np.concatenate(self._parts) if self._parts else np.zeros(0, dtype=np.float32)
        left, right = max(first, self._begin), min(last, self._begin + len(found))
        if left < right:
            samples[left - first : right - first] = found[left - self._begin : right - self._begin]
        return Stretch(first, np.clip(np.nan_to_num(samples), -1.0, 1.0)), left < right

    def _take(self, frame: AudioFrame | None) -> None:
        if frame is not None:
            frame.pts = None
        for part in self._resampler.resample(frame):
            self._parts.append(np.asarray(part.to_ndarray(), dtype=np.float32).mean(axis=0))


def _grid(source: int, rates: Sequence[int]) -> int:
    """Samples of the source after which every rate has a sample at the same moment; 1 where they hardly ever meet."""
    step = math.lcm(*(source // math.gcd(source, rate) for rate in rates))
    return step if step <= _MAX_GRID else 1


def _without(frame: AudioFrame, samples: int) -> AudioFrame:
    """The frame from sample ``samples`` on."""
    if not samples or samples >= frame.samples:
        return frame
    content: NDArray[Any] = frame.to_ndarray()
    skipped = samples * (1 if frame.format.is_planar else frame.layout.nb_channels)
    rest = AudioFrame.from_ndarray(
        np.ascontiguousarray(content[:, skipped:]), format=frame.format.name, layout=frame.layout.name
    )
    rest.sample_rate = frame.sample_rate
    return rest
