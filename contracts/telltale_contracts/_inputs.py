"""What a detector may ask preprocessing for: one discriminated union by ``kind``, and the recipe that joins several.

Every image tensor is uint8 RGB, every sound tensor float32; the served graph carries its own normalisation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from telltale_contracts._base import Contract


class _Spec(Contract):
    def key(self) -> str:
        """The name of this spec's tensor in a bundle: equal specs have equal keys, whoever asks."""
        document = self.model_dump(mode="json")
        digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
        return f"{document['kind']}-{digest[:12]}"


class FaceCrop(_Spec):
    """Square crops around each face of each sampled frame: uint8 [N, size, size, 3], RGB.

    The crop is a square with the centre of the face box and a side of ``margin`` times the box's longer side.
    What lies outside the picture is filled by replicating its border. With ``align`` = "eyes" the crop is rotated
    about its centre so that the eyes lie level.
    """

    kind: Literal["face_crop"] = "face_crop"
    size: int = Field(ge=16, le=1024)
    margin: float = Field(default=1.3, ge=1.0, le=4.0)
    align: Literal["none", "eyes"] = "none"


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

    @model_validator(mode="after")
    def _window_fits(self) -> Self:
        if self.win_length > self.n_fft:
            raise ValueError(f"win_length {self.win_length} is larger than n_fft {self.n_fft}")
        if self.samples < self.n_fft:
            raise ValueError(f"a segment of {self.samples} samples is shorter than n_fft {self.n_fft}")
        return self

    @property
    def frames(self) -> int:
        """Columns of one segment: windows are not centred, the last one ends inside the segment."""
        return 1 + (self.samples - self.n_fft) // self.hop_length


class LogSpectrogram(_Windowed):
    """Natural logarithm of the power spectrogram: float32 [N, n_fft / 2 + 1, frames].

    Periodic Hann window of ``win_length``, zero-padded to ``n_fft`` on both sides, not centred;
    log(|X|^2 + 1e-10). With ``rms_normalise`` each segment is first scaled to an RMS of 0.1 (silence stays as it is).
    """

    kind: Literal["log_spectrogram"] = "log_spectrogram"
    rms_normalise: bool = False


class LogMel(_Windowed):
    """Natural logarithm of the Slaney mel spectrogram of the power: float32 [N, n_mels, frames]; log(mel + 1e-10)."""

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
    """Linear-frequency cepstral coefficients (ASVspoof 2021 baseline): float32 [N, coefficients, frames].

    ``n_filters`` triangular filters, linearly spaced over 0 Hz to half the sample rate, log10 of the filtered power,
    orthonormal DCT-II, the first ``n_lfcc`` kept; with ``deltas`` their first and second differences are stacked below.
    """

    kind: Literal["lfcc"] = "lfcc"
    n_filters: int = Field(default=20, ge=4, le=256)
    n_lfcc: int = Field(default=20, ge=2, le=256)
    deltas: bool = True

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
InputSpec = Annotated[FaceCrop | Image | Waveform | LogSpectrogram | LogMel | Lfcc, Field(discriminator="kind")]


class Sampling(Contract):
    """Which frames of a video are looked at: at ``fps`` frames a second when given, evenly otherwise."""

    max_frames: int = Field(default=32, ge=1, le=512)
    fps: float | None = Field(default=None, gt=0.0, le=120.0)


class Recipe(Contract):
    """Everything that one pass over one upload must yield: each distinct spec once."""

    inputs: tuple[InputSpec, ...] = Field(min_length=1, max_length=64)
    sampling: Sampling = Sampling()

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        keys = [spec.key() for spec in self.inputs]
        if len(set(keys)) != len(keys):
            raise ValueError("the same input spec is listed twice")
        return self

    @classmethod
    def union(cls, specs: Iterable[InputSpec], sampling: Sampling) -> Recipe:
        """The recipe for several detectors, equal specs listed once, in the order in which they first came."""
        distinct = {spec.key(): spec for spec in specs}
        return cls(inputs=tuple(distinct.values()), sampling=sampling)
