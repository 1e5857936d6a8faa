"""One upload and one recipe to one TensorBundle: what a worker does for a request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import (
    AudioFacts,
    BundleMetadata,
    FaceSpec,
    Image,
    Lfcc,
    LogMel,
    LogSpectrogram,
    MediaFacts,
    Missing,
    MissingReason,
    Recipe,
    Sampling,
    Segment,
    SoundSpec,
    TensorBundle,
    Waveform,
)

from telltale_preprocess.auditory import audio_facts, describe_segments, sound_tensor
from telltale_preprocess.faces.detector import Face, FaceDetector
from telltale_preprocess.faces.mesh import FaceMesh
from telltale_preprocess.features.speech import SPEECH_RATE, SPEECH_WINDOW, SpeechDetector
from telltale_preprocess.media.animation import decode_animation
from telltale_preprocess.media.probe import Recording, Still, probe
from telltale_preprocess.media.sampling import target_frames
from telltale_preprocess.media.sound import decode_sound
from telltale_preprocess.media.still import decode_still
from telltale_preprocess.media.timeline import Timeline
from telltale_preprocess.media.video import Picture, decode_frames
from telltale_preprocess.settings import Settings
from telltale_preprocess.stopwatch import Stopwatch
from telltale_preprocess.visual import PictureSpec, VisualCollector

_FIRST_FRAME = np.zeros(1, dtype=np.int64)
_SOUND = (Waveform, LogSpectrogram, LogMel, Lfcc)


@dataclass
class _Draft:
    tensors: dict[str, NDArray[np.generic]] = field(default_factory=dict)
    frame: dict[str, NDArray[np.int32]] = field(default_factory=dict)
    track: dict[str, NDArray[np.int32]] = field(default_factory=dict)
    segments: dict[str, tuple[Segment, ...]] = field(default_factory=dict)
    clips: dict[str, tuple[tuple[int, ...], ...]] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    audio: AudioFacts | None = None

    def lack(self, specs: list[PictureSpec] | list[SoundSpec], reason: MissingReason, detail: str) -> None:
        self.missing.extend(Missing(key=spec.key(), reason=reason, detail=detail) for spec in specs)


class Preprocessor:
    """Owns the models; one for each process, used by one thread."""

    def __init__(self, settings: Settings) -> None:
        """Load the models.

        Raises:
            FileNotFoundError: a face model is not in ``settings.assets``.
        """
        self._settings = settings
        self._faces = FaceDetector(
            settings.assets,
            side=settings.detection_side,
            min_score=settings.min_detection_score,
            max_faces=settings.max_faces,
        )
        self._mesh = FaceMesh(settings.assets)
        self._speech = SpeechDetector()

    def close(self) -> None:
        """Release the models."""
        self._faces.close()

    def warm(self) -> None:
        """Pay what the first call of each library costs."""
        blank = np.zeros((360, 640, 3), dtype=np.uint8)
        self._faces.detect(blank)
        self._mesh.landmarks(blank, Face((100.0, 100.0, 50.0, 50.0), 1.0, np.zeros((6, 2))))
        tone = np.sin(np.arange(SPEECH_RATE, dtype=np.float32) / 10.0)
        audio_facts(tone, np.ones(SPEECH_RATE // SPEECH_WINDOW, dtype=np.bool_))
        for spec in (LogSpectrogram(samples=8_000), LogMel(samples=8_000), Lfcc(samples=8_000)):
            sound_tensor(tone, spec)

    def preprocess(self, file: BinaryIO, recipe: Recipe) -> TensorBundle:
        """Decode once and produce everything that the recipe lists, or say why it cannot be had.

        Raises:
            PreprocessError: the media cannot be worked on; the subclass says why.
        """
        watch = Stopwatch()
        with watch.measure("decode"):
            source = probe(file, self._settings)
        pictures: list[PictureSpec] = [spec for spec in recipe.inputs if isinstance(spec, FaceSpec | Image)]
        sounds: list[SoundSpec] = [spec for spec in recipe.inputs if isinstance(spec, _SOUND)]
        draft = _Draft()
        collector = VisualCollector(pictures, self._faces, self._mesh, self._settings, watch)
        facts = source.facts
        if pictures:
            facts = self._look(file, source, recipe.sampling, collector, watch)
            self._collect(collector, draft, pictures, facts)
        elif isinstance(source, Recording) and source.timeline is not None:
            # Whether it decodes at all, and which way it is turned, only a decoded frame tells.
            with watch.measure("decode"):
                first = next(self._pictures(file, source, source.timeline, _FIRST_FRAME))
                facts = _with_picture(facts, first.rgb, first.rotation)
        if sounds:
            self._listen(file, source, sounds, draft, watch)
        steps = np.diff([frame.index for frame in collector.frames])
        metadata = BundleMetadata(
            media=facts,
            frames=tuple(collector.frames),
            used_step=round(float(np.median(steps))) if len(steps) else None,
            tracks=collector.tracks(),
            audio=draft.audio,
            segments=draft.segments,
            clips=draft.clips,
            missing=tuple(draft.missing),
            timings_ms=watch.timings_ms(),
        )
        return TensorBundle(metadata, draft.tensors, draft.frame, draft.track)

    def _look(
        self,
        file: BinaryIO,
        source: Still | Recording,
        sampling: Sampling,
        collector: VisualCollector,
        watch: Stopwatch,
    ) -> MediaFacts:
        """Show all pictures to the collector; the facts, with the size and rotation of what was really decoded."""
        if isinstance(source, Still):
            with watch.measure("decode"):
                rgb = decode_still(source.picture)
            collector.look(0, 0.0, rgb)
            return _with_picture(source.facts, rgb, source.facts.rotation)
        if source.timeline is None:
            return source.facts
        facts = source.facts
        pictures = self._pictures(file, source, source.timeline, target_frames(source.timeline, sampling))
        while True:
            with watch.measure("decode"):
                picture = next(pictures, None)
            if picture is None:
                return facts
            collector.look(picture.index, picture.t, picture.rgb)
            facts = _with_picture(facts, picture.rgb, picture.rotation)

    def _pictures(
        self, file: BinaryIO, source: Recording, timeline: Timeline, targets: NDArray[np.int64]
    ) -> Iterator[Picture]:
        if source.animation is not None:
            return decode_animation(source.animation, timeline, targets)
        return decode_frames(file, timeline, targets, max_pixels=self._settings.max_pixels)

    @staticmethod
    def _collect(collector: VisualCollector, draft: _Draft, specs: list[PictureSpec], facts: MediaFacts) -> None:
        if facts.kind == "audio":
            draft.lack(specs, "no_picture", f"The {facts.container} file holds sound only.")
            return
        made = collector.items()
        for key, items in made.items():
            draft.tensors[key], draft.frame[key], draft.track[key] = items.tensor, items.frame, items.track
            if items.clips is not None:
                draft.clips[key] = items.clips
        draft.missing.extend(collector.missing(spec) for spec in specs if spec.key() not in made)

    def _listen(
        self, file: BinaryIO, source: Still | Recording, specs: list[SoundSpec], draft: _Draft, watch: Stopwatch
    ) -> None:
        if isinstance(source, Still) or not source.has_sound:
            draft.lack(specs, "no_audio", f"The {source.facts.kind} has no sound track.")
            return
        with watch.measure("decode"):
            sounds = decode_sound(
                file,
                {SPEECH_RATE, *(spec.sample_rate for spec in specs)},
                max_seconds=self._settings.max_duration_s + 1.0,
            )
        with watch.measure("features"):
            speech = self._speech.speech_windows(sounds[SPEECH_RATE])
            draft.audio = audio_facts(sounds[SPEECH_RATE], speech)
            if draft.audio.speech_s < self._settings.min_speech_s:
                draft.lack(
                    specs,
                    "no_speech",
                    f"Of {draft.audio.duration_s:.1f} s of sound {draft.audio.speech_s:.1f} s are speech; "
                    f"at least {self._settings.min_speech_s:.1f} s are needed.",
                )
                return
            for spec in specs:
                sound, key = sounds[spec.sample_rate], spec.key()
                draft.tensors[key] = sound_tensor(sound, spec)
                draft.segments[key] = describe_segments(len(sound), spec, speech)
                count = len(draft.segments[key])
                draft.frame[key] = np.arange(count, dtype=np.int32)
                draft.track[key] = np.full(count, -1, dtype=np.int32)


def _with_picture(facts: MediaFacts, rgb: NDArray[np.uint8], rotation: int) -> MediaFacts:
    return facts.model_copy(update={"height": rgb.shape[0], "width": rgb.shape[1], "rotation": rotation})
