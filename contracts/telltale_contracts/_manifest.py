"""detector.yaml: what a detector is, whichever version of it answers."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from telltale_contracts._base import Contract, GrownContract
from telltale_contracts._inputs import InputSpec

Forgery = Literal["face_swap", "face_synthesis", "reenactment", "voice", "whole_image"]
Server = Literal["triton", "tfserving"]

NAME_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"


class TensorNames(Contract):
    """What the served graph calls its tensors; ``signature`` is TensorFlow Serving's."""

    input: str = Field(min_length=1)
    probability: str = Field(min_length=1, description="P(fake) before calibration, float32 [N] or [N, 1], in [0, 1]")
    signature: str = "serving_default"


class Aggregation(Contract):
    """How the calibrated scores of a detector's items become one.

    Over the frames of one face track, or the segments of one sound: "mean_log_odds", or "top_mean_log_odds", the mean
    over the highest ``top_share`` of them. Over the tracks: the highest, because one forged person is enough.

    Segments of sound count when at least ``min_speech`` of them is speech; where none is, the one with the most does.
    """

    items: Literal["mean_log_odds", "top_mean_log_odds"] = "mean_log_odds"
    top_share: float = Field(default=1.0, gt=0.0, le=1.0)
    min_speech: float = Field(default=0.25, ge=0.0, le=1.0)


class DetectorManifest(GrownContract):
    """One detector: what it looks at, which forgery it tests, and where it is served.

    ``policy``: a new version that has passed its checks is promoted ("auto") or held as candidate ("manual").
    """

    name: str = Field(pattern=NAME_PATTERN)
    description: str
    forgery: Forgery
    server: Server
    input: InputSpec
    tensors: TensorNames
    max_batch: int = Field(ge=1, le=1024, description="items in one call to the server, at most")
    aggregation: Aggregation = Aggregation()
    weight: float = Field(default=1.0, gt=0.0, description="relative to detectors of the same forgery")
    min_items: int = Field(default=1, ge=1, description="fewer usable items than this are too little evidence")
    policy: Literal["auto", "manual"] = "manual"

    _LATER: ClassVar[frozenset[str]] = frozenset({"policy"})
