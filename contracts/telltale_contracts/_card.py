"""card.yaml: where one version came from, what it was measured on, and what it must answer."""

from __future__ import annotations

import math
from bisect import bisect_right
from datetime import datetime
from itertools import pairwise
from typing import Literal, Self

from pydantic import Field, model_validator

from telltale_contracts._base import MOST_VERSION, Contract

Medium = Literal["video", "image", "speech"]

_EDGE = 1e-6


class Interval(Contract):
    """A figure with its bootstrap interval."""

    value: float
    low: float
    high: float
    level: float = Field(default=0.95, gt=0.0, lt=1.0)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"the interval [{self.low}, {self.high}] is upside down")
        return self


class Measurement(Contract):
    """What a version was worth on one held-out set: never on a group that it was trained or calibrated on."""

    medium: Medium
    family: str = Field(description="the generator, or 'all' for the whole held-out set")
    split: str = Field(description="which groups were held out, and how the media were treated")
    n_real: int = Field(ge=0)
    n_fake: int = Field(ge=0)
    n_groups: int = Field(ge=1)
    unit: str = Field(description="what one score is of: item, track, file")
    auc: Interval | None = Field(default=None, description="area under the ROC curve; none without both classes")
    eer: Interval | None = Field(default=None, description="equal error rate; none without both classes")
    false_alarm_rate: Interval | None = Field(default=None, description="share of genuine over the threshold")
    note: str | None = None


class Provenance(Contract):
    """How this version came to be, so that it can be made again."""

    architecture: str
    framework: str
    parameters: int = Field(ge=1)
    initialised_from: str
    command: str
    seed: int
    data: tuple[str, ...] = Field(description="what it was trained on: source, licence, counts by class and groups")
    split: str = Field(description="how groups were divided into training, calibration and test")
    output_convention: str = Field(description="what the source's output meant, and how it became P(fake)")


class Calibration(Contract):
    """How an item's raw score becomes a probability.

    "platt": sigmoid(slope x logit(raw) + intercept) (Platt 1999). "temperature": the same without an intercept, the
    temperature being 1 / slope (Guo 2017). "isotonic": the line through ``knots`` (Zadrozny and Elkan 2002); slope and
    intercept are then 1 and 0. "none": the raw score as it is, fitted on nothing (``n`` is 0), with a prior that was
    assumed: no such version was measured, so none votes.

    ``prior`` is P(fake) in the set that it was fitted on; a likelihood ratio divides it out again.
    """

    method: Literal["platt", "temperature", "isotonic", "none"] = "platt"
    slope: float = Field(gt=0.0)
    intercept: float
    prior: float = Field(gt=0.0, lt=1.0)
    n: int = Field(ge=0)
    fitted_on: str
    knots: tuple[tuple[float, float], ...] | None = Field(
        default=None, min_length=2, description="raw and calibrated P(fake); before the first and after the last, level"
    )

    @model_validator(mode="after")
    def _fitted_or_none(self) -> Self:
        if self.method != "none" and self.n == 0:
            raise ValueError(f"{self.method} is fitted on at least one score; n is 0")
        if self.method == "none" and self.n != 0:
            raise ValueError("without calibration n is 0")
        if self.method in ("none", "isotonic") and (self.slope, self.intercept) != (1.0, 0.0):
            raise ValueError(f"the slope of {self.method} is 1 and its intercept 0")
        if self.method == "temperature" and self.intercept != 0.0:
            raise ValueError("temperature has no intercept")
        return self

    @model_validator(mode="after")
    def _rising_knots(self) -> Self:
        if (self.knots is not None) != (self.method == "isotonic"):
            raise ValueError("isotonic calibration has knots, and nothing else has")
        for (left, low), (right, high) in pairwise(self.knots or ()):
            if not (0.0 <= left < right <= 1.0 and 0.0 < low <= high < 1.0):
                raise ValueError(f"knots must rise between 0 and 1: ({left}, {low}) stands before ({right}, {high})")
        return self

    @classmethod
    def none(cls, prior: float = 0.5) -> Self:
        """The raw score as it is; ``prior`` is an assumption."""
        return cls(method="none", slope=1.0, intercept=0.0, prior=prior, n=0, fitted_on="nothing: raw scores")

    def apply(self, raw: float) -> float:
        """Calibrated P(fake) of one raw P(fake); both in [0, 1].

        Where its logit is taken, the raw score is kept 1e-6 away from 0 and 1.
        """
        if self.knots is not None:
            return _on_line(self.knots, raw)
        clipped = min(max(raw, _EDGE), 1.0 - _EDGE)
        z = self.slope * math.log(clipped / (1.0 - clipped)) + self.intercept
        return 1.0 / (1.0 + math.exp(-z)) if z >= 0 else math.exp(z) / (1.0 + math.exp(z))


def _on_line(knots: tuple[tuple[float, float], ...], at: float) -> float:
    after = bisect_right(knots, at, key=lambda knot: knot[0])
    if after in (0, len(knots)):
        return knots[0][1] if after == 0 else knots[-1][1]
    (left, low), (right, high) = knots[after - 1], knots[after]
    return low + (high - low) * (at - left) / (right - left)


class Precision(Contract):
    """How the artefact's numbers were narrowed, and what that changed of its answers against single precision.

    Measured on inputs that the ranges of int8 were not taken from.
    """

    kind: Literal["fp16", "int8"]
    calibrated_on: str | None = Field(default=None, description="what the ranges of int8 were taken from")
    measured_on: str
    n: int = Field(ge=1, description="inputs that the drift was measured on")
    max_drift: float = Field(ge=0.0, le=1.0, description="largest change of one input's score")
    mean_drift: float = Field(ge=0.0, le=1.0)
    limit: float = Field(gt=0.0, le=1.0, description="the largest drift that was allowed")
    auc_change: float | None = Field(default=None, description="where the inputs of both classes were labelled")
    heatmap_drift: float | None = Field(
        default=None,
        ge=0.0,
        description="where there are heatmaps: how far their cells moved (root mean square), in parts of how far the "
        "cells of one map are from its mean",
    )
    heatmap_limit: float | None = Field(default=None, gt=0.0, description="the largest of these that was allowed")


class Golden(Contract):
    """Inputs (in golden.safetensors, tensor ``input``) and the raw scores that they must give on the server."""

    scores: tuple[float, ...] = Field(min_length=1)
    tolerance: float = Field(default=1e-3, gt=0.0, le=0.05)
    source: str = Field(description="what the inputs show, and where they came from")


class Artifact(Contract):
    """The files that are served, each with its sha256, and the one digest that stands for all of them."""

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    files: dict[str, str] = Field(min_length=1)


class VersionCard(Contract):
    """One version of a detector."""

    detector: str
    version: int = Field(ge=1, le=MOST_VERSION)
    created: datetime
    artifact: Artifact
    provenance: Provenance
    measured: tuple[Measurement, ...] = ()
    trained_alike: tuple[Measurement, ...] = Field(
        default=(), description="what other networks, trained alike but without a source, are worth on that source"
    )
    excluded: dict[Medium, str] = Field(
        default_factory=dict, description="media that it was tried on and does not vote on, each with the figures"
    )
    calibration: Calibration
    threshold: float = Field(default=0.5, gt=0.0, lt=1.0, description="operating point on the calibrated score")
    golden: Golden
    precision: Precision | None = Field(default=None, description="none of an artefact in single precision")
    limits: tuple[str, ...] = Field(default=(), description="what it is known not to do")

    @model_validator(mode="after")
    def _measured_is_calibrated(self) -> Self:
        if self.calibration.method == "none" and any(m.auc is not None for m in self.measured):
            raise ValueError("a version that was measured, and so votes, needs a calibration")
        return self

    def measured_on(self, medium: Medium) -> bool:
        """Whether this version may vote on a medium: only where both error rates could be measured."""
        return medium not in self.excluded and any(m.medium == medium and m.auc is not None for m in self.measured)
