"""TensorBundle: what preprocessing hands back, one safetensors body for one upload.

For each spec of the recipe a tensor under the spec's key (leading dimension = items), and beside it ``<key>.frame``
and ``<key>.track``, int32 [items]: the index into ``metadata.frames`` and the face track, -1 where there is none. Of a
clip the index is that of its first frame, and ``metadata.clips[key]`` lists them all; of a sound spec it is the index
into ``metadata.segments[key]``. A spec that could not be had has no tensor and an entry in ``metadata.missing``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError
from safetensors.numpy import save

from telltale_contracts._base import Contract
from telltale_contracts._safetensors import MalformedTensors, view_tensors

MediaKind = Literal["video", "image", "audio"]
MissingReason = Literal[
    "no_face", "no_usable_face", "short_track", "no_closed_eyes", "no_audio", "no_speech", "no_picture"
]
UnusableReason = Literal["too_small", "blurred", "cut_off", "turned_away", "occluded"]

_METADATA = "telltale"


class MalformedBundle(ValueError):
    """The body is not a TensorBundle: not safetensors, or without its metadata, or with indices that do not fit."""


class MediaFacts(Contract):
    """What the container and its streams say of themselves; pixels after rotation."""

    kind: MediaKind
    container: str
    duration_s: float | None = None
    width: int | None = None
    height: int | None = None
    src_fps: float | None = Field(default=None, description="mean frames a second")
    total_frames: int | None = None
    variable_frame_rate: bool | None = None
    rotation: int = Field(default=0, description="degrees clockwise that were applied to the decoded picture")
    video_codec: str | None = None
    audio_codec: str | None = None
    sample_rate: int | None = None
    channels: int | None = None
    audio_track: int | None = Field(default=None, description="which sound track was used, from 0: the default one")
    audio_tracks: int | None = Field(default=None, description="how many sound tracks there are")


class SampledFrame(Contract):
    """One frame that was looked at."""

    index: int = Field(ge=0, description="its place among all frames of the stream, in presentation order")
    t: float = Field(description="seconds from the first frame, by presentation time stamp")


class FaceObservation(Contract):
    """One face in one sampled frame, in pixels of the upright full frame."""

    frame: int = Field(ge=0, description="index into the bundle's frames")
    box: tuple[float, float, float, float] = Field(description="x, y, width, height")
    score: float = Field(ge=0.0, le=1.0, description="the detector's confidence")
    landmarks: tuple[tuple[float, float], ...] = Field(
        description="x, y of right eye, left eye, nose tip, mouth centre, right ear, left ear (the subject's)"
    )
    eye_distance: float = Field(ge=0.0, description="pixels between the eyes")
    sharpness: float = Field(ge=0.0, description="variance of the Laplacian of the crop's luma at 112 x 112")
    usable: bool = Field(description="whether crops of it are in the tensors")
    unusable: UnusableReason | None = Field(default=None, description="why they are not")
    yaw: float | None = Field(default=None, description="degrees; positive when the subject turns to their left")
    pitch: float | None = Field(default=None, description="degrees; positive when the subject looks up")
    roll: float | None = Field(default=None, description="degrees clockwise, as the picture shows it")
    inside: float | None = Field(default=None, ge=0.0, le=1.0, description="share of the box inside the picture")
    presence: float | None = Field(
        default=None, ge=0.0, le=1.0, description="of a face under dense landmarks; where they were taken"
    )
    eye_aspect: tuple[float, float] | None = Field(
        default=None,
        description="eye aspect ratio of the right and the left eye (the subject's); where it was measured",
    )


class Track(Contract):
    """One person over time."""

    track: int = Field(ge=0)
    observations: tuple[FaceObservation, ...] = Field(min_length=1)
    quality: float = Field(ge=0.0, le=1.0, description="mean over its observations: size, sharpness and pose")


class Segment(Contract):
    """One stretch of sound, in seconds from its start; ``speech`` is the share of it in which somebody speaks."""

    start: float = Field(ge=0.0)
    end: float = Field(ge=0.0)
    speech: float = Field(ge=0.0, le=1.0)


class AudioFacts(Contract):
    """The sound as a whole."""

    duration_s: float = Field(ge=0.0)
    heard_s: float | None = Field(
        default=None, ge=0.0, description="seconds that were decoded, where not all were; what follows is of those"
    )
    speech_s: float = Field(ge=0.0, description="seconds in which somebody speaks")
    rms: float = Field(ge=0.0)
    silence_ratio: float = Field(ge=0.0, le=1.0, description="share of 25 ms stretches under -60 dBFS")
    pitch_hz: float | None = Field(default=None, description="mean fundamental frequency of the voiced speech")
    pitch_stability: float | None = Field(
        default=None, ge=0.0, le=1.0, description="1 - standard deviation / mean of that frequency, not under 0"
    )
    spectral_centroid_hz: float | None = Field(default=None, ge=0.0, description="mean over time")
    spectral_contrast_db: float | None = Field(default=None, description="mean over time and octave bands")


class Missing(Contract):
    """What could not be had, and why, in one sentence with its numbers."""

    key: str = Field(description="the spec's key")
    reason: MissingReason
    detail: str


class BundleMetadata(Contract):
    """Everything beside the tensors."""

    media: MediaFacts
    frames: tuple[SampledFrame, ...] = ()
    used_step: int | None = Field(default=None, description="median distance between sampled frames")
    tracks: tuple[Track, ...] = ()
    audio: AudioFacts | None = None
    segments: dict[str, tuple[Segment, ...]] = Field(default_factory=dict)
    clips: dict[str, tuple[tuple[int, ...], ...]] = Field(
        default_factory=dict,
        description="of a clip spec: the frames of each item, of which its frame index is the first",
    )
    missing: tuple[Missing, ...] = ()
    timings_ms: dict[Literal["decode", "faces", "features"], float] = Field(default_factory=dict)


@dataclass(frozen=True)
class TensorBundle:
    """Tensors by spec key, the frame and track of each item, and the metadata."""

    metadata: BundleMetadata
    tensors: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    frame: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)
    track: Mapping[str, NDArray[np.int32]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for key, tensor in self.tensors.items():
            for name, index in (("frame", self.frame.get(key)), ("track", self.track.get(key))):
                if index is None or index.shape != tensor.shape[:1] or index.dtype != np.int32:
                    raise MalformedBundle(f"tensor {key} has {tensor.shape[0]} items, its {name} index does not fit")

    def to_bytes(self) -> bytes:
        """The bundle as one safetensors body."""
        flat: dict[str, NDArray[np.generic]] = {}
        for key, tensor in self.tensors.items():
            flat[key] = np.ascontiguousarray(tensor)
            flat[f"{key}.frame"] = self.frame[key]
            flat[f"{key}.track"] = self.track[key]
        return save(flat, metadata={_METADATA: self.metadata.model_dump_json()})

    @classmethod
    def from_bytes(cls, body: bytes) -> TensorBundle:
        """Read a bundle, whose tensors are read-only views of the body.

        Raises:
            MalformedBundle: the body is not one.
        """
        try:
            views = view_tensors(body)
            metadata = BundleMetadata.model_validate_json(views.metadata[_METADATA])
        except (MalformedTensors, ValidationError, KeyError) as error:
            raise MalformedBundle(f"not a tensor bundle: {error}") from error
        flat = views.tensors
        keys = [name for name in flat if not name.endswith((".frame", ".track"))]
        try:
            return cls(
                metadata=metadata,
                tensors={key: flat[key] for key in keys},
                frame={key: flat[f"{key}.frame"] for key in keys},
                track={key: flat[f"{key}.track"] for key in keys},
            )
        except KeyError as error:
            raise MalformedBundle(f"a tensor without its index: {error}") from error
