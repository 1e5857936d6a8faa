"""Drawing: what is to be drawn of an analysis, and what of; the request of ``POST /render``.

The one who asks has done the analysis and the one who draws has the decoders: all that is drawn is said here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from telltale_contracts._base import Contract

Score = Annotated[float, Field(ge=0.0, le=1.0)]


class FaceMark(Contract):
    """One face: its box in pixels of the picture that is drawn on, and its P(fake) where there is one."""

    track: int = Field(ge=0)
    box: tuple[float, float, float, float] = Field(description="x, y, width, height")
    score: Score | None


class Moment(Contract):
    """What was found ``t`` seconds from the first frame."""

    t: float = Field(ge=0.0)
    score: Score | None
    faces: tuple[FaceMark, ...] = Field(default=(), max_length=64)


class _Moving(Contract):
    moments: tuple[Moment, ...] = Field(min_length=1, max_length=512, description="in order of time")
    threshold: Score
    headline: str = Field(max_length=200)
    duration_s: float = Field(gt=0.0, le=86_400.0, description="what the graph's time axis covers")


class Overlay(_Moving):
    """The uploaded video, with boxes, scores and the growing graph drawn in and its own sound: an MP4.

    Between two moments the boxes of a face move evenly; ``box`` is in pixels of the upright full frame.
    """

    kind: Literal["overlay"] = "overlay"


class Film(_Moving):
    """Pictures decoded before, uint8 [moments, height, width, 3] as npy, each shown until the next: an MP4."""

    kind: Literal["film"] = "film"


class Stretch(Contract):
    """One stretch of sound, in seconds, and its P(fake) where there is one."""

    start: float = Field(ge=0.0)
    end: float = Field(ge=0.0)


class JudgedStretch(Stretch):
    """Seconds of sound that were judged, and their P(fake)."""

    score: Score


class Spectrogram(Contract):
    """Log power spectra, float32 [stretches, bins, frames] as npy, each in its place on one time axis: a PNG.

    Stretches, and those that were judged, may overlap, leave gaps, and end where they like.
    """

    kind: Literal["spectrogram"] = "spectrogram"
    duration_s: float = Field(gt=0.0, le=86_400.0, description="what the time axis covers")
    stretches: tuple[Stretch, ...] = Field(min_length=1, max_length=256, description="in order of time")
    judged: tuple[JudgedStretch, ...] = Field(default=(), max_length=2048)
    sample_rate: int = Field(ge=8_000, le=48_000)
    threshold: Score


Drawing = Annotated[Overlay | Film | Spectrogram, Field(discriminator="kind")]
MAX_DRAWING_BYTES = 2_000_000
"""A drawing is no longer than this, as JSON: 512 moments of many faces are."""
