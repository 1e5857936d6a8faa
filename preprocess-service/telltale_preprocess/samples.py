"""What was cut out of the pictures for each spec, and the tensors that it becomes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import ClipSpec, EyeClip, FaceCrop, FaceSpec, FrameClip, Image, MissingReason

from telltale_preprocess.errors import RecipeTooLarge
from telltale_preprocess.features.clips import clip_places, stretches

PictureSpec = FaceSpec | Image | FrameClip
Pixels = NDArray[np.uint8] | NDArray[np.float32]


@dataclass(frozen=True)
class Items:
    """One tensor, [N, ...], with the frame and track of each item; ``clips``: all frames of each, if it has several."""

    tensor: NDArray[np.generic]
    frame: NDArray[np.int32]
    track: NDArray[np.int32]
    clips: tuple[tuple[int, ...], ...] | None = None


@dataclass
class _Sample:
    frame: int
    track: int
    pixels: Pixels


@dataclass
class Samples:
    """The samples of each spec, in the order of the frames."""

    max_bytes: int
    _bytes: int = 0
    _by_spec: dict[PictureSpec, list[_Sample]] = field(default_factory=lambda: defaultdict(list))

    def keep(self, spec: PictureSpec, pixels: Pixels, frame: int, track: int) -> None:
        """Add one.

        Raises:
            RecipeTooLarge: all together are larger than a bundle may be.
        """
        self._bytes += pixels.nbytes
        self._refuse(self._bytes, f"After {frame + 1} frames")
        self._by_spec[spec].append(_Sample(frame, track, pixels))

    def items(self, spec: PictureSpec) -> Items | None:
        """The spec's tensor; None if nothing, or too little, was cut for it.

        Raises:
            RecipeTooLarge: with its clips the bundle is larger than it may be.
        """
        samples = self._by_spec.get(spec, [])
        if isinstance(spec, FaceCrop | Image):
            if not samples:
                return None
            pixels = np.stack([sample.pixels for sample in samples])
            return Items(pixels, _index(s.frame for s in samples), _index(s.track for s in samples))
        clips = [clip for track in sorted({s.track for s in samples}) for clip in _clips(_of(samples, track), spec)]
        if not clips:
            return None
        self._refuse(sum(sample.pixels.nbytes for clip in clips for sample in clip), "With its clips")
        return Items(
            np.stack([np.stack([sample.pixels for sample in clip]) for clip in clips]),
            _index(clip[0].frame for clip in clips),
            _index(clip[0].track for clip in clips),
            tuple(tuple(sample.frame for sample in clip) for clip in clips),
        )

    def longest(self, spec: ClipSpec) -> int:
        """The most samples that a clip of the spec could be made of."""
        samples = self._by_spec.get(spec, [])
        return max((len(_eligible(_of(samples, track), spec)) for track in {s.track for s in samples}), default=0)

    def _refuse(self, size: int, when: str) -> None:
        if size > self.max_bytes:
            raise RecipeTooLarge(
                f"{when} the bundle holds {size / 1e6:.0f} MB; at most {self.max_bytes / 1e6:.0f} MB are allowed."
            )


def short_reason(spec: ClipSpec) -> MissingReason:
    """Why a clip could not be made although the person was seen."""
    return "no_closed_eyes" if isinstance(spec, EyeClip) else "short_track"


def _of(samples: list[_Sample], track: int) -> list[_Sample]:
    return [sample for sample in samples if sample.track == track]


def _eligible(samples: list[_Sample], spec: ClipSpec) -> list[_Sample]:
    if isinstance(spec, EyeClip):
        return [samples[place] for place in stretches([sample.frame for sample in samples], spec.min_closed)]
    return samples


def _clips(samples: list[_Sample], spec: ClipSpec) -> list[list[_Sample]]:
    eligible = _eligible(samples, spec)
    return [[eligible[place] for place in places] for places in clip_places(len(eligible), spec)]


def _index(values: Iterable[int]) -> NDArray[np.int32]:
    return np.fromiter(values, dtype=np.int32)
