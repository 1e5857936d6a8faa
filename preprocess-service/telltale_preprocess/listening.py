"""What is heard in a recording: facts of its sound, and the tensors that its sound specs ask for.

Of a long sound only the segments that a spec keeps are decoded: how long it takes, and how much memory, then goes by
what is asked for and not by the length of the recording.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import AudioFacts, Lfcc, LogMel, LogSpectrogram, Missing, Segment, SoundSpec

from telltale_preprocess.auditory import audio_facts, describe_segments, segments_tensor
from telltale_preprocess.features.segments import cut_segments, segment_starts
from telltale_preprocess.features.speech import SPEECH_RATE, SPEECH_WINDOW, SpeechDetector
from telltale_preprocess.media.sound import decode_sound
from telltale_preprocess.media.stretches import Stretch, decode_stretches
from telltale_preprocess.settings import Settings
from telltale_preprocess.stopwatch import Stopwatch

_WINDOW_S = SPEECH_WINDOW / SPEECH_RATE
_LONG_S = 120.0
# Containers round what they say of their end.
_END_S = 0.1


@dataclass
class Heard:
    """Facts, tensors and segments by the spec's key, and what could not be had."""

    facts: AudioFacts
    tensors: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    segments: dict[str, tuple[Segment, ...]] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)


@dataclass(frozen=True)
class _Sound:
    """The whole sound's length in samples, and what was decoded of it."""

    total: int
    stretches: Sequence[Stretch]

    def segments(self, spec: SoundSpec) -> NDArray[np.float32]:
        starts = segment_starts(self.total, spec)
        if len(self.stretches) == 1 and len(self.stretches[0].samples) == self.total:
            return cut_segments(self.stretches[0].samples, starts, spec)
        return np.stack([self._cut(int(start), spec.samples) for start in starts])

    def _cut(self, start: int, count: int) -> NDArray[np.float32]:
        around = next(each for each in reversed(self.stretches) if each.start <= start)
        return around.samples[start - around.start : start - around.start + count]


class Listener:
    """Owns the model that tells speech; one for each process, used by one thread at a time."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._speech = SpeechDetector()

    def warm(self) -> None:
        """Pay what the first call of each library costs."""
        tone = np.sin(np.arange(SPEECH_RATE, dtype=np.float32) / 10.0)
        specs: list[SoundSpec] = [LogSpectrogram(samples=8_000), LogMel(samples=8_000), Lfcc(samples=8_000)]
        sound = _Sound(len(tone), [Stretch(0, tone)])
        audio_facts(tone, np.ones(SPEECH_RATE // SPEECH_WINDOW, dtype=np.bool_))
        self._judge({SPEECH_RATE: sound}, [])
        for spec in specs:
            segments_tensor(sound.segments(spec), spec)

    def listen(
        self,
        file: BinaryIO,
        sound_s: float,
        specs: Sequence[SoundSpec],
        watch: Stopwatch,
        *,
        origin: float | None = None,
    ) -> Heard:
        """Decode the sound track, which lasts ``sound_s`` by its packets, and produce what the specs ask for.

        Segments count from ``origin`` in seconds of presentation time, so that they lie on the clock of a picture that
        begins then; without it, from the first sample.

        Raises:
            DamagedMedia: not one sample could be decoded.
            MediaTooLong: more came out than is allowed, whatever the packets said.
        """
        with watch.measure("decode"):
            sounds = self._decode(file, sound_s, specs, origin)
        with watch.measure("features"):
            return self._judge(sounds, specs)

    def _decode(
        self, file: BinaryIO, sound_s: float, specs: Sequence[SoundSpec], origin: float | None
    ) -> dict[int, _Sound]:
        rates = {SPEECH_RATE, *(spec.sample_rate for spec in specs)}
        spans = _spans(sound_s - _END_S, specs)
        if sound_s > _LONG_S and sum(end - begin for begin, end in spans) < sound_s / 2:
            stretches = decode_stretches(file, rates, spans, origin=origin)
            return {rate: _Sound(int((sound_s - _END_S) * rate), stretches[rate]) for rate in rates}
        whole = decode_sound(file, rates, max_seconds=self._settings.max_duration_s + 1.0, origin=origin)
        return {rate: _Sound(len(sound), [Stretch(0, sound)]) for rate, sound in whole.items()}

    def _judge(self, sounds: dict[int, _Sound], specs: Sequence[SoundSpec]) -> Heard:
        sound = sounds[SPEECH_RATE]
        windows = [self._speech.speech_windows(stretch.samples) for stretch in sound.stretches]
        facts = audio_facts(np.concatenate([each.samples for each in sound.stretches]), np.concatenate(windows))
        if sum(len(each.samples) for each in sound.stretches) < sound.total:
            facts = facts.model_copy(update={"heard_s": facts.duration_s, "duration_s": sound.total / SPEECH_RATE})
        heard = Heard(facts)
        if facts.speech_s < self._settings.min_speech_s:
            detail = (
                f"Of {facts.heard_s or facts.duration_s:.1f} s of sound {facts.speech_s:.1f} s are speech; "
                f"at least {self._settings.min_speech_s:.1f} s are needed."
            )
            heard.missing = [Missing(key=spec.key(), reason="no_speech", detail=detail) for spec in specs]
            return heard
        speech = np.zeros(-(-sound.total // SPEECH_WINDOW) + 1, dtype=np.bool_)
        for stretch, spoken in zip(sound.stretches, windows, strict=True):
            first = stretch.start // SPEECH_WINDOW
            speech[first : first + len(spoken)] = spoken[: len(speech) - first]
        for spec in specs:
            wanted, key = sounds[spec.sample_rate], spec.key()
            heard.tensors[key] = segments_tensor(wanted.segments(spec), spec)
            heard.segments[key] = describe_segments(wanted.total, spec, speech)
        return heard


def _spans(seconds: float, specs: Sequence[SoundSpec]) -> list[tuple[float, float]]:
    """What the specs' segments cover of so many seconds, in order, from and to a window of the speech detector."""
    pieces = []
    for spec in specs:
        for start in segment_starts(int(seconds * spec.sample_rate), spec):
            begin, end = start / spec.sample_rate, (start + spec.samples) / spec.sample_rate
            pieces.append((int(begin / _WINDOW_S), -int(-end // _WINDOW_S)))
    joined: list[list[int]] = []
    for first, last in sorted(pieces):
        if joined and first <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], last)
        else:
            joined.append([first, last])
    return [(first * _WINDOW_S, last * _WINDOW_S) for first, last in joined]
