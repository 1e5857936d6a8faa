"""What a caller may choose of an analysis."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict, Field
from telltale_contracts import Sampling


class AnalysisOptions(BaseModel):
    """Sampling, and which detectors are asked: what every analysis takes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    fps: float | None = Field(default=None, gt=0.0, le=120.0, description="frames looked at in a second of video")
    max_frames: int | None = Field(
        default=None,
        ge=1,
        le=512,
        description="frames looked at, at most; when not given, as many as the detectors want, which is 32 for most",
    )
    detectors: str | None = Field(
        default=None, max_length=2000, description="names, separated by commas; all live detectors when not given"
    )

    @property
    def names(self) -> tuple[str, ...] | None:
        """The detectors asked for, each once; None for all."""
        if self.detectors is None:
            return None
        return tuple(dict.fromkeys(name for part in self.detectors.split(",") if (name := part.strip())))

    def sampling(self, wanted: Iterable[Sampling | None]) -> Sampling:
        """The part of it that preprocessing needs.

        Args:
            wanted: what each detector that is asked names, at least one; where the caller chose nothing, the densest.
        """
        densest = Sampling.densest(sampling or Sampling() for sampling in wanted)
        if self.max_frames is None and self.fps is None:
            return densest
        return Sampling(max_frames=self.max_frames or densest.max_frames, fps=self.fps)


class ExplainedOptions(AnalysisOptions):
    """Those of an answer that has room for heatmaps."""

    explain: bool = Field(
        default=False, description="ask where it shows: heatmaps of the items that moved each detector's score most"
    )
