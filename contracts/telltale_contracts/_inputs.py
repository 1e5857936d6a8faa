"""What a detector may ask preprocessing for: one discriminated union by ``kind``, and the recipe that joins several.

Every image tensor is uint8 RGB, every sound tensor float32; the served graph carries its own normalisation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from telltale_contracts._base import Contract
from telltale_contracts._bundle import MediaKind


class _Spec(Contract):
    # Parameters that came after specs had been published: at their defaults they are no part of the key, so that every
    # key that somebody has written down stays what it was.
    _LATER: ClassVar[frozenset[str]] = frozenset()

    def key(self) -> str:
        """The name of this spec's tensor in a bundle: equal specs have equal keys, whoever asks."""
        return _key_of(self)


@lru_cache(maxsize=1024)
def _key_of(spec: _Spec) -> str:
    # Remembered: each detector's is asked for several times a request.
    document = spec.model_dump(mode="json")
    for name in spec._LATER:  # noqa: SLF001 its own module
        if document[name] == type(spec).model_fields[name].default:
            del document[name]
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    return f"{document['kind']}-{digest[:12]}"


class _Faces(_Spec):
    size: int = Field(ge=16, le=1024)
    margin: float = Field(default=1.3, ge=1.0, le=4.0)
    align: Literal["none", "eyes"] = "none"
    fit: Literal["square", "pad", "stretch"] = "square"

    _LATER = frozenset({"fit"})

    @model_validator(mode="after")
    def _only_squares_turn(self) -> Self:
        if self.align == "eyes" and self.fit != "square":
            raise ValueError(f"only square crops are aligned; fit {self.fit} is not")
        return self


class FaceCrop(_Faces):
    """Square crops around each face of each sampled frame: uint8 [N, size, size, 3], RGB.

    ``fit``: "square" is a square with the centre of the face box and a side of ``margin`` times the box's longer side;
    what lies outside the picture is filled by replicating its border. With ``align`` = "eyes" it is rotated about its
    centre so that the eyes lie level. "pad" and "stretch" take the box itself, each side times ``margin``, and what of
    that lies inside the picture: "pad" scales its longer side to ``size`` and centres it on black, "stretch" ignores
    the aspect ratio.
    """

    kind: Literal["face_crop"] = "face_crop"


class _Clips(_Spec):
    frames: int = Field(ge=2, le=256, description="T, the samples of one clip")
    stride: int | None = Field(
        default=None, ge=1, description="samples from one clip's first to the next one's; T when not given"
    )
    short: Literal["hold", "loop", "drop"] = Field(
        default="drop",
        description="what becomes of fewer than T samples: the last is held, they are looped, or there is no clip",
    )


class _SpacedClips(_Clips):
    spacing: Literal["even", "consecutive"] = "even"
    short: Literal["hold", "loop", "drop"] = "hold"

    @model_validator(mode="after")
    def _an_even_clip_is_one(self) -> Self:
        if self.spacing == "even" and self.stride is not None:
            raise ValueError("an even clip is one for each track: a stride is for consecutive ones")
        return self


class FaceClip(_SpacedClips, _Faces):
    """T crops of one face track: uint8 [N, T, size, size, 3], RGB; each crop as ``face_crop`` makes it.

    ``spacing``: "even" is one clip for each track, T of its usable samples evenly spaced from the first to the last.
    "consecutive" cuts each track into clips of T successive usable samples. A track with fewer than T of them is
    treated as ``short`` says; of a longer one, what the last whole clip leaves over is left out.
    """

    kind: Literal["face_clip"] = "face_clip"


class FrameClip(_SpacedClips):
    """T whole sampled frames: uint8 [N, T, size, size, 3], RGB; each frame as ``image`` fits it, T as ``face_clip``
    chooses them from all sampled frames."""

    kind: Literal["frame_clip"] = "frame_clip"
    size: int = Field(ge=16, le=2048)
    fit: Literal["stretch", "crop", "pad"] = "stretch"


class EyeClip(_Clips):
    """T pictures of both eyes of one person, taken while they are closed: uint8 [N, T, height, width, 3], RGB.

    The eye aspect ratio (Soukupova and Cech 2016), mean of both eyes, is under ``threshold`` in at least ``min_closed``
    successive samples of a track; the pictures of all such stretches of a track follow each other and are cut into
    clips of T. A picture is the bounding box of the twelve eye landmarks, ``padding`` pixels wider on each side,
    measured in a frame that is 640 pixels wide, stretched to the size asked. A blink lasts 0.1 to 0.4 s: the recipe's
    sampling must be dense enough to see one.
    """

    kind: Literal["eye_clip"] = "eye_clip"
    height: int = Field(default=160, ge=16, le=512)
    width: int = Field(default=160, ge=16, le=512)
    padding: float = Field(default=15.0, ge=0.0, le=200.0)
    threshold: float = Field(default=0.2, gt=0.0, lt=1.0)
    min_closed: int = Field(default=2, ge=1, le=256)


class ChromaHistogram(_Clips):
    """T successive (r, g) chromaticity histograms of one face track: float32 [N, T, bins, bins], 0 to 255.

    r = R / (R + G + B) along the first axis, g along the second, over [0, 1] each; a black pixel is 1/3, 1/3. The
    region is the face box, ``padding`` pixels wider on each side, inside the picture. Each histogram is scaled so that
    its smallest bin is 0 and its largest 255.
    """

    kind: Literal["chroma_histogram"] = "chroma_histogram"
    bins: int = Field(default=32, ge=4, le=128)
    padding: int = Field(default=20, ge=0, le=500)


class Image(_Spec):
    """Whole sampled frames, or the whole picture: uint8 [N, size, size, 3], RGB.

    ``fit``: "stretch" ignores the aspect ratio, "crop" scales the shorter side and cuts the centre, "pad" scales the
    longer side and centres it on black.
    """

    kind: Literal["image"] = "image"
    size: int = Field(ge=16, le=2048)
    fit: Literal["stretch", "crop", "pad"] = "stretch"


class _Segmented(_Spec):
    sample_rate: int = Field(default=16_000, ge=8_000, le=48_000, description="Hz; the sound is mixed to mono")
    samples: int = Field(ge=400, le=480_000, description="samples of one segment")
    overlap: float = Field(default=0.0, ge=0.0, le=0.9, description="share of a segment that the next one repeats")
    pad: Literal["repeat", "zero"] = Field(default="repeat", description="how a sound shorter than a segment is filled")
    max_segments: int = Field(default=32, ge=1, le=256, description="segments at most, evenly spaced when cut off")


class Waveform(_Segmented):
    """PCM segments: float32 [N, samples], in [-1, 1]."""

    kind: Literal["waveform"] = "waveform"


class _Windowed(_Segmented):
    n_fft: int = Field(default=512, ge=64, le=8192)
    win_length: int = Field(default=400, ge=32, le=8192)
    hop_length: int = Field(default=160, ge=16, le=8192)
    window: Literal["hann", "hamming"] = Field(default="hann", description="periodic")
    pre_emphasis: float = Field(default=0.0, ge=0.0, lt=1.0, description="a in x[t] - a x[t - 1]; x[0] stays")
    centred: bool = Field(default=False, description="windows are centred on 0, hop, ...; the ends filled with zeros")
    floor: float = Field(default=1e-10, gt=0.0, le=1.0, description="added before the logarithm")

    _LATER = frozenset({"window", "pre_emphasis", "centred", "floor"})

    @model_validator(mode="after")
    def _window_fits(self) -> Self:
        if self.win_length > self.n_fft:
            raise ValueError(f"win_length {self.win_length} is larger than n_fft {self.n_fft}")
        if self.samples < self.n_fft:
            raise ValueError(f"a segment of {self.samples} samples is shorter than n_fft {self.n_fft}")
        return self

    @property
    def frames(self) -> int:
        """Columns of one segment: unless they are centred, the last window ends inside the segment."""
        return 1 + (self.samples - (0 if self.centred else self.n_fft)) // self.hop_length


class LogSpectrogram(_Windowed):
    """Natural logarithm of the power spectrogram: float32 [N, n_fft / 2 + 1, frames].

    The window of ``win_length`` is zero-padded to ``n_fft`` on both sides; log(|X|^2 + ``floor``). With
    ``rms_normalise`` each segment is first scaled to an RMS of 0.1 (silence stays as it is).
    """

    kind: Literal["log_spectrogram"] = "log_spectrogram"
    rms_normalise: bool = False


class LogMel(_Windowed):
    """Natural logarithm of the Slaney mel spectrogram of the power: float32 [N, n_mels, frames]; log(mel + floor)."""

    kind: Literal["log_mel"] = "log_mel"
    n_mels: int = Field(default=80, ge=8, le=512)
    f_min: float = Field(default=0.0, ge=0.0)
    f_max: float | None = Field(default=None, description="Hz; half the sample rate when not given")

    @model_validator(mode="after")
    def _band_fits(self) -> Self:
        half = self.sample_rate / 2
        top = half if self.f_max is None else self.f_max
        if not self.f_min < top <= half:
            raise ValueError(f"the band from f_min {self.f_min:g} to {top:g} Hz is not within 0 to {half:g} Hz")
        return self


class Lfcc(_Windowed):
    """Linear-frequency cepstral coefficients: float32 [N, coefficients, frames].

    ``n_filters`` triangular filters, linearly spaced over 0 Hz to half the sample rate, log10 of the filtered power,
    orthonormal DCT-II, the first ``n_lfcc`` kept; with ``energy`` the first of them is replaced by log10 of the frame's
    power / n_fft; with ``deltas`` their first and second differences are stacked below. The ASVspoof 2021 baseline is
    win_length 320, window hamming, pre_emphasis 0.97, centred, floor 2 ** -23, energy.
    """

    kind: Literal["lfcc"] = "lfcc"
    n_filters: int = Field(default=20, ge=4, le=256)
    n_lfcc: int = Field(default=20, ge=2, le=256)
    deltas: bool = True
    energy: bool = False

    _LATER = frozenset({"window", "pre_emphasis", "centred", "floor", "energy"})

    @model_validator(mode="after")
    def _filters_suffice(self) -> Self:
        if self.n_lfcc > self.n_filters:
            raise ValueError(f"{self.n_filters} filters have no {self.n_lfcc} coefficients")
        return self

    @property
    def coefficients(self) -> int:
        """Rows of one segment."""
        return self.n_lfcc * (3 if self.deltas else 1)


SoundSpec = Waveform | LogSpectrogram | LogMel | Lfcc
FaceSpec = FaceCrop | FaceClip | EyeClip | ChromaHistogram
ClipSpec = FaceClip | EyeClip | ChromaHistogram | FrameClip
InputSpec = Annotated[
    FaceCrop | FaceClip | EyeClip | ChromaHistogram | Image | FrameClip | Waveform | LogSpectrogram | LogMel | Lfcc,
    Field(discriminator="kind"),
]


class Sampling(Contract):
    """Which frames of a video are looked at: at ``fps`` frames a second when given, evenly otherwise."""

    max_frames: int = Field(default=32, ge=1, le=512)
    fps: float | None = Field(default=None, gt=0.0, le=120.0)

    @classmethod
    def densest(cls, wanted: Iterable[Sampling]) -> Sampling:
        """One that looks at no fewer frames of any video than each of those that are wanted, of which there is one."""
        each = tuple(wanted)
        # Without a rate every frame is looked at, up to max_frames: no rate is denser.
        rates = [sampling.fps for sampling in each if sampling.fps is not None]
        fps = max(rates) if len(rates) == len(each) else None
        return cls(max_frames=max(sampling.max_frames for sampling in each), fps=fps)


class Recipe(Contract):
    """Everything that one pass over one upload must yield: each distinct spec once.

    Of media that is not of the kind ``only`` it yields the facts alone, before anything is decoded.
    """

    inputs: tuple[InputSpec, ...] = Field(min_length=1, max_length=64)
    sampling: Sampling = Sampling()
    only: MediaKind | None = None

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        keys = [spec.key() for spec in self.inputs]
        if len(set(keys)) != len(keys):
            raise ValueError("the same input spec is listed twice")
        return self

    @classmethod
    def union(cls, specs: Iterable[InputSpec], sampling: Sampling, only: MediaKind | None = None) -> Recipe:
        """The recipe for several detectors, equal specs listed once, in the order in which they first came."""
        distinct = {spec.key(): spec for spec in specs}
        return cls(inputs=tuple(distinct.values()), sampling=sampling, only=only)
