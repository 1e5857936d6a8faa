"""From pictures, one at a time, to face crops, clips, whole pictures and tracks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import (
    ChromaHistogram,
    ClipSpec,
    EyeClip,
    FaceClip,
    FaceCrop,
    FaceObservation,
    FrameClip,
    Image,
    Missing,
    SampledFrame,
    Track,
)

from telltale_preprocess.faces.crops import cut_face
from telltale_preprocess.faces.detector import FaceDetector
from telltale_preprocess.faces.eyes import cut_eyes
from telltale_preprocess.faces.finder import FaceFinder
from telltale_preprocess.faces.mesh import FaceMesh
from telltale_preprocess.faces.observer import FaceObserver, SeenFace
from telltale_preprocess.faces.scenes import ShotCounter
from telltale_preprocess.faces.tracker import FaceTracker
from telltale_preprocess.features.chroma import chroma_histogram
from telltale_preprocess.features.pictures import fit_picture
from telltale_preprocess.media.planar import Rgb
from telltale_preprocess.samples import Items, PictureSpec, Pixels, Samples, short_reason
from telltale_preprocess.settings import Settings
from telltale_preprocess.stopwatch import Stopwatch

_WORDS = {
    "too_small": "too small",
    "blurred": "blurred",
    "cut_off": "cut off by the border",
    "turned_away": "turned away",
    "occluded": "hidden or no face after all",
}


class VisualCollector:
    """Looks at each picture once and keeps only what the specs ask for, never the picture."""

    def __init__(
        self,
        specs: Sequence[PictureSpec],
        detector: FaceDetector,
        mesh: FaceMesh,
        settings: Settings,
        watch: Stopwatch,
    ) -> None:
        self._of_faces = [spec for spec in specs if not isinstance(spec, Image | FrameClip)]
        self._of_wholes = [spec for spec in specs if isinstance(spec, Image | FrameClip)]
        self._finder = FaceFinder(detector, mesh, settings.max_faces)
        self._settings = settings
        self._watch = watch
        self._observer = FaceObserver(mesh, settings, dense=any(isinstance(spec, EyeClip) for spec in specs))
        self._tracker = FaceTracker()
        self._shots = ShotCounter()
        self._seen: dict[int, list[tuple[FaceObservation, float]]] = {}
        self._samples = Samples(settings.max_bundle_bytes)
        self.frames: list[SampledFrame] = []

    def look(self, index: int, t: float, rgb: Rgb) -> None:
        """Take what is wanted out of frame ``index`` of the stream, shown at ``t`` seconds."""
        place = len(self.frames)
        self.frames.append(SampledFrame(index=index, t=t))
        if self._of_faces:
            with self._watch.measure("faces"):
                seen = self._find(place, rgb)
            with self._watch.measure("features"):
                for track, each in seen:
                    self._cut(place, rgb, track, each)
        with self._watch.measure("features"):
            for spec in self._of_wholes:
                self._samples.keep(spec, fit_picture(rgb, spec), place, -1)

    def items(self) -> dict[str, Items]:
        """The tensor of each spec of which there is something, by its key.

        Raises:
            RecipeTooLarge: all together are larger than a bundle may be.
        """
        with self._watch.measure("features"):
            made = {spec.key(): self._samples.items(spec) for spec in (*self._of_faces, *self._of_wholes)}
        return {key: items for key, items in made.items() if items is not None}

    def tracks(self) -> tuple[Track, ...]:
        """All tracks so far, numbered by first appearance."""
        return tuple(
            Track(
                track=track,
                observations=tuple(observation for observation, _ in seen),
                quality=float(np.mean([worth for _, worth in seen])),
            )
            for track, seen in sorted(self._seen.items())
        )

    def missing(self, spec: PictureSpec) -> Missing:
        """Why there is nothing of a spec."""
        if isinstance(spec, FrameClip):
            verb = "were" if len(self.frames) > 1 else "was"
            detail = f"{self._looked()} {verb} looked at; a clip takes {spec.frames}."
            return Missing(key=spec.key(), reason=short_reason(spec), detail=detail)
        every = [observation for seen in self._seen.values() for observation, _ in seen]
        if not every:
            return Missing(key=spec.key(), reason="no_face", detail=f"No face was found in {self._looked()}.")
        if not any(observation.usable for observation in every):
            return Missing(key=spec.key(), reason="no_usable_face", detail=self._why_unusable(every))
        if isinstance(spec, FaceCrop | Image):
            raise AssertionError("a usable face always gives a crop")
        return Missing(key=spec.key(), reason=short_reason(spec), detail=self._why_short(spec))

    def _find(self, place: int, rgb: Rgb) -> list[tuple[int, SeenFace]]:
        seen = [self._observer.observe(rgb, face, place) for face in self._finder.find(rgb)]
        tracks = self._tracker.link(
            place, [each.face for each in seen], [each.looks for each in seen], self._shots.shot_of(rgb)
        )
        for track, each in zip(tracks, seen, strict=True):
            self._seen.setdefault(track, []).append((each.observation, each.worth))
        return list(zip(tracks, seen, strict=True))

    def _cut(self, place: int, rgb: Rgb, track: int, seen: SeenFace) -> None:
        if not seen.observation.usable:
            return
        # Specs that frame a face alike share one crop.
        crops: dict[tuple[object, ...], NDArray[np.uint8]] = {}
        for spec in self._of_faces:
            sample: Pixels | None
            match spec:
                case FaceCrop() | FaceClip():
                    framing = (spec.size, spec.margin, spec.align, spec.fit)
                    if framing not in crops:
                        crops[framing] = cut_face(rgb, seen.face, spec)
                    sample = crops[framing]
                case EyeClip():
                    sample = _closed_eyes(rgb, seen, spec)
                case ChromaHistogram():
                    sample = chroma_histogram(rgb, seen.face.box, spec)
            if sample is not None:
                self._samples.keep(spec, sample, place, track)

    def _looked(self) -> str:
        return f"{len(self.frames)} frame{'s' if len(self.frames) > 1 else ''}"

    def _why_unusable(self, every: list[FaceObservation]) -> str:
        best = max(every, key=lambda observation: observation.eye_distance)
        reasons = Counter(_WORDS[observation.unusable] for observation in every if observation.unusable)
        counted = ", ".join(f"{count} {word}" for word, count in reasons.most_common())
        return (
            f"{len(every)} face{'s were' if len(every) > 1 else ' was'} found in {self._looked()}, none of use: "
            f"{counted}. The largest has {best.eye_distance:.0f} pixels between the eyes "
            f"({self._settings.min_eye_distance:.0f} are needed) and a sharpness of {best.sharpness:.0f} "
            f"({self._settings.min_sharpness:.0f} is needed)."
        )

    def _why_short(self, spec: ClipSpec) -> str:
        longest = self._samples.longest(spec)
        if isinstance(spec, EyeClip):
            return (
                f"Closed eyes (aspect ratio under {spec.threshold:g} in {spec.min_closed} samples in a row or more) "
                f"were seen in {longest} of {self._looked()}; a clip takes {spec.frames}."
            )
        samples = f"{longest} usable sample{'s' if longest > 1 else ''}"
        return f"The longest face track has {samples} in {self._looked()}; a clip takes {spec.frames}."


def _closed_eyes(rgb: Rgb, seen: SeenFace, spec: EyeClip) -> NDArray[np.uint8] | None:
    aspect = seen.observation.eye_aspect
    if seen.mesh is None or aspect is None or sum(aspect) / 2 >= spec.threshold:
        return None
    return cut_eyes(rgb, seen.mesh, spec)
