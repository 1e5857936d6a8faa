"""From pictures, one at a time, to face crops, whole pictures and tracks."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import FaceCrop, FaceObservation, Image, InputSpec, Missing, SampledFrame, Track

from telltale_preprocess.errors import RecipeTooLarge
from telltale_preprocess.faces.crops import cut_face
from telltale_preprocess.faces.detector import Face, FaceDetector
from telltale_preprocess.faces.quality import quality, sharpness
from telltale_preprocess.faces.tracker import FaceTracker
from telltale_preprocess.features.pictures import fit_picture
from telltale_preprocess.settings import Settings
from telltale_preprocess.stopwatch import Stopwatch


@dataclass
class Items:
    """The items of one tensor, with the frame and track of each."""

    pixels: list[NDArray[np.uint8]] = field(default_factory=list)
    frame: list[int] = field(default_factory=list)
    track: list[int] = field(default_factory=list)


class VisualCollector:
    """Looks at each picture once and keeps only what the specs ask for, never the picture."""

    def __init__(
        self, specs: list[FaceCrop | Image], detector: FaceDetector, settings: Settings, watch: Stopwatch
    ) -> None:
        self._specs = specs
        self._detector = detector
        self._settings = settings
        self._watch = watch
        self._tracker = FaceTracker()
        self._seen: dict[int, list[tuple[FaceObservation, float]]] = {}
        self._bytes = 0
        self.items = {spec.key(): Items() for spec in specs}
        self.frames: list[SampledFrame] = []

    def look(self, index: int, t: float, rgb: NDArray[np.uint8]) -> None:
        """Take what is wanted out of frame ``index`` of the stream, shown at ``t`` seconds."""
        place = len(self.frames)
        self.frames.append(SampledFrame(index=index, t=t))
        crops = [spec for spec in self._specs if isinstance(spec, FaceCrop)]
        if crops:
            with self._watch.measure("faces"):
                faces = self._detector.detect(rgb)
                tracks = self._tracker.link(place, faces)
                usable = [self._observe(place, rgb, face, track) for face, track in zip(faces, tracks, strict=True)]
            with self._watch.measure("features"):
                for face, track in itertools.compress(zip(faces, tracks, strict=True), usable):
                    for spec in crops:
                        self._keep(spec, cut_face(rgb, face, spec), place, track)
        with self._watch.measure("features"):
            for whole in self._specs:
                if isinstance(whole, Image):
                    self._keep(whole, fit_picture(rgb, whole), place, -1)

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

    def missing(self) -> list[Missing]:
        """Specs of which there is nothing, and why."""
        return [
            Missing(key=key, reason="no_usable_face" if self._seen else "no_face", detail=self._why())
            for key, items in self.items.items()
            if not items.pixels
        ]

    def _observe(self, place: int, rgb: NDArray[np.uint8], face: Face, track: int) -> bool:
        sharp = sharpness(rgb, face)
        usable = face.eye_distance >= self._settings.min_eye_distance and sharp >= self._settings.min_sharpness
        observation = FaceObservation(
            frame=place,
            box=face.box,
            score=min(1.0, max(0.0, face.score)),
            landmarks=tuple((float(x), float(y)) for x, y in face.landmarks),
            eye_distance=face.eye_distance,
            sharpness=sharp,
            usable=usable,
        )
        self._seen.setdefault(track, []).append((observation, quality(face, sharp)))
        return usable

    def _keep(self, spec: InputSpec, pixels: NDArray[np.uint8], place: int, track: int) -> None:
        self._bytes += pixels.nbytes
        if self._bytes > self._settings.max_bundle_bytes:
            raise RecipeTooLarge(
                f"After {place + 1} frames the bundle holds {self._bytes / 1e6:.0f} MB; "
                f"at most {self._settings.max_bundle_bytes / 1e6:.0f} MB are allowed."
            )
        items = self.items[spec.key()]
        items.pixels.append(pixels)
        items.frame.append(place)
        items.track.append(track)

    def _why(self) -> str:
        looked = f"{len(self.frames)} frame{'s' if len(self.frames) > 1 else ''}"
        every = [observation for seen in self._seen.values() for observation, _ in seen]
        if not every:
            return f"No face was found in {looked}."
        best = max(every, key=lambda observation: observation.eye_distance)
        return (
            f"{len(every)} face{'s were' if len(every) > 1 else ' was'} found in {looked}; the largest has "
            f"{best.eye_distance:.0f} pixels between the eyes ({self._settings.min_eye_distance:.0f} are needed) and a "
            f"sharpness of {best.sharpness:.0f} ({self._settings.min_sharpness:.0f} is needed)."
        )
