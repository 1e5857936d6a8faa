"""One upload and one recipe to one TensorBundle: what a worker does for a request."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import (
    AudioFacts,
    BundleMetadata,
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

from telltale_preprocess.ahead import ahead, in_batches
from telltale_preprocess.errors import RecipeTooLarge
from telltale_preprocess.faces.detector import Face, FaceDetector
from telltale_preprocess.faces.mesh import FaceMesh
from telltale_preprocess.listening import Heard, Listener
from telltale_preprocess.media.animation import decode_animation
from telltale_preprocess.media.probe import Recording, Still, probe
from telltale_preprocess.media.sampling import target_frames
from telltale_preprocess.media.still import decode_still
from telltale_preprocess.media.timeline import Timeline
from telltale_preprocess.media.video import Picture, decode_frames
from telltale_preprocess.samples import PictureSpec
from telltale_preprocess.settings import Settings
from telltale_preprocess.stopwatch import Stopwatch
from telltale_preprocess.visual import VisualCollector

_FIRST_FRAME = np.zeros(1, dtype=np.int64)
# The face model and decoder drive each other out of the processor's caches: they take turns for some frames at a time,
# as many as take no more memory than four of 1080p.
_MOST_TOGETHER = 4
_PIXELS_TOGETHER = _MOST_TOGETHER * 1920 * 1080
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

    def hear(self, heard: Heard) -> None:
        self.audio = heard.facts
        self.segments.update(heard.segments)
        self.missing.extend(heard.missing)
        for key, tensor in heard.tensors.items():
            self.tensors[key] = tensor
            self.frame[key] = np.arange(len(tensor), dtype=np.int32)
            self.track[key] = np.full(len(tensor), -1, dtype=np.int32)

    def lack(self, specs: list[PictureSpec] | list[SoundSpec], reason: MissingReason, detail: str) -> None:
        self.missing.extend(Missing(key=spec.key(), reason=reason, detail=detail) for spec in specs)

    def refuse_more_than(self, limit: int) -> None:
        size = sum(tensor.nbytes for tensor in self.tensors.values())
        if size > limit:
            raise RecipeTooLarge(
                f"With the sound the bundle holds {size / 1e6:.1f} MB; at most {limit / 1e6:.1f} MB are allowed."
            )


class Preprocessor:
    """Owns the models, and threads that decode and listen; one for each process, used by one thread."""

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
        self._listener = Listener(settings)
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="listening")
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="decoding")

    def close(self) -> None:
        """Release the models."""
        self._beside.shutdown()
        self._ahead.shutdown()
        self._faces.close()

    def warm(self) -> None:
        """Pay what the first call of each library costs."""
        blank = np.zeros((360, 640, 3), dtype=np.uint8)
        self._faces.detect(blank)
        self._mesh.landmarks(blank, Face((100.0, 100.0, 50.0, 50.0), 1.0, np.zeros((6, 2))))
        # By the thread that will do it: a thread's first allocations map memory of its own.
        self._beside.submit(self._listener.warm).result()
        self._ahead.submit(np.zeros, 1).result()

    def preprocess(self, file: BinaryIO, recipe: Recipe) -> TensorBundle:
        """Decode once and produce everything that the recipe lists, or say why it cannot be had.

        Raises:
            PreprocessError: the media cannot be worked on; the subclass says why.
        """
        watch = Stopwatch()
        with watch.measure("decode"):
            source = probe(file, self._settings)
        if recipe.only not in (None, source.facts.kind):
            return TensorBundle(BundleMetadata(media=source.facts, timings_ms=watch.timings_ms()), {}, {}, {})
        pictures: list[PictureSpec] = [spec for spec in recipe.inputs if isinstance(spec, PictureSpec)]
        sounds: list[SoundSpec] = [spec for spec in recipe.inputs if isinstance(spec, _SOUND)]
        draft = _Draft()
        collector = VisualCollector(pictures, self._faces, self._mesh, self._settings, watch)
        facts = source.facts
        listening = self._start_listening(file, source, sounds)
        try:
            if pictures:
                facts = self._look(file, source, recipe.sampling, collector, watch)
                self._collect(collector, draft, pictures, facts)
            elif isinstance(source, Recording) and source.timeline is not None:
                # Whether it decodes at all, and which way it is turned, only a decoded frame tells.
                with watch.measure("decode"):
                    first = next(self._pictures(file, source, source.timeline, _FIRST_FRAME))
                    facts = _with_picture(facts, first.rgb.shape, first.rotation)
        finally:
            if listening is not None:
                wait([listening])
        if listening is not None:
            heard, listened = listening.result()
            draft.hear(heard)
            draft.refuse_more_than(self._settings.max_bundle_bytes)
            watch.add(listened)
        elif sounds:
            draft.lack(sounds, "no_audio", f"The {source.facts.kind} has no sound track.")
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
            return _with_picture(source.facts, rgb.shape, source.facts.rotation)
        if source.timeline is None:
            return source.facts
        facts = source.facts
        last: tuple[tuple[int, ...], int] | None = None
        targets = target_frames(source.timeline, sampling)
        together = _together((facts.width or 1) * (facts.height or 1))
        pictures = in_batches(self._pictures(file, source, source.timeline, targets), together)
        with closing(ahead(pictures, self._ahead)) as batches:
            while True:
                with watch.measure("decode"):
                    batch = next(batches, None)
                if batch is None:
                    return facts if last is None else _with_picture(facts, *last)
                for picture in batch:
                    collector.look(picture.index, picture.t, picture.rgb)
                    last = picture.rgb.shape, picture.rotation

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

    def _start_listening(
        self, file: BinaryIO, source: Still | Recording, specs: list[SoundSpec]
    ) -> Future[tuple[Heard, Stopwatch]] | None:
        """Listen beside the work on the pictures, which leaves cores idle; None where there is no sound."""
        if not specs or isinstance(source, Still) or source.sound_s is None:
            return None
        origin = source.timeline.origin if source.timeline is not None else None
        return self._beside.submit(self._listen, _another(file), source.sound_s, specs, origin)

    def _listen(
        self, file: BinaryIO, sound_s: float, specs: list[SoundSpec], origin: float | None
    ) -> tuple[Heard, Stopwatch]:
        watch = Stopwatch()
        with file:
            return self._listener.listen(file, sound_s, specs, watch, origin=origin), watch


def _another(file: BinaryIO) -> BinaryIO:
    """The same file with a place of its own to read from."""
    try:
        return Path(f"/proc/self/fd/{file.fileno()}").open("rb")
    except io.UnsupportedOperation:
        return io.BytesIO(file.read() if not file.seek(0) else b"")


def _together(pixels: int) -> int:
    """How many pictures of so many pixels are decoded, and then looked at, in one go."""
    return max(1, min(_MOST_TOGETHER, _PIXELS_TOGETHER // pixels))


def _with_picture(facts: MediaFacts, shape: tuple[int, ...], rotation: int) -> MediaFacts:
    return facts.model_copy(update={"height": shape[0], "width": shape[1], "rotation": rotation})
