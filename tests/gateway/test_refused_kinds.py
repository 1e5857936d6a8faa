"""Media of a kind that nobody asked about is refused before detectors are; what several media leave in the log."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest
import structlog
from telltale_contracts import MediaKind, Recipe, TensorBundle
from telltale_gateway.analysis import AnalysisOptions, Analyzer, MediaSource, Verdict
from telltale_gateway.analysis.fusion import RivalForgeries
from telltale_gateway.analysis.judgement import Judge, LabelRules
from telltale_gateway.analysis.preprocess import PreprocessClient
from telltale_gateway.api.views.sent import only
from telltale_gateway.errors import WrongKind
from telltale_gateway.rollout import Dispatcher, Fleet, Reconciler, Usage
from telltale_gateway.spooling import Spool
from telltale_gateway.telemetry import Telemetry

from .outcomes import deployed, metadata

BLEND = deployed("blend", "face_swap")
RULES = LabelRules(threshold=0.5, uncertain=(0.25, 0.75), min_face_quality=0.2, contradiction=0.8)


class Preprocessing:
    """Every upload is a picture."""

    async def bundle(self, _: MediaSource, recipe: Recipe, __: str) -> TensorBundle:
        assert recipe.only == "video"
        return TensorBundle(metadata("image"), {}, {}, {})


class Nobody:
    """A dispatcher that must not be asked."""

    def __getattr__(self, name: str) -> object:
        pytest.fail(f"a detector was asked: {name}")


async def awake() -> None:
    """This gateway never slept."""


@pytest.mark.anyio
async def test_media_of_another_kind_is_refused_before_a_detector_is_asked() -> None:
    fleet = Fleet({"blend": BLEND}, expected=frozenset({"blend"}))
    reconciler = SimpleNamespace(fleet=fleet, usage=Usage(), awake=awake)
    analyzer = Analyzer(
        cast("Reconciler", reconciler),
        cast("Dispatcher", Nobody()),
        cast("PreprocessClient", Preprocessing()),
        Judge(RivalForgeries(0.5, {}), RULES),
        deadline_s=10.0,
        inference_timeout_s=1.0,
        explain_timeout_s=1.0,
        concurrent=1,
    )
    with Spool() as file:
        media = MediaSource(file, None)
        with pytest.raises(WrongKind, match="of the kind image, not video") as caught:
            await analyzer.study(media, AnalysisOptions(), request_id="id", only=only("video"))
    assert "/detect/image" in caught.value.hint
    assert analyzer.running == 0


def verdict(modality: MediaKind, version: str, *, degraded: bool, **timings_ms: float) -> Verdict:
    """A verdict of which only what is counted and logged is there."""
    return Verdict.model_construct(
        label="real", modality=modality, version=version, degraded=degraded, timings_ms=timings_ms, detectors=()
    )


def test_several_media_of_a_request_leave_one_line_of_them_all() -> None:
    telemetry = Telemetry()
    structlog.contextvars.clear_contextvars()
    sound = verdict("audio", "voice:1", degraded=True, decode=20.0, triton=5.0)
    picture = verdict("image", "blend:2", degraded=False, decode=30.0, explain=7.0)
    telemetry.observe_together([sound, picture], "fake")
    assert structlog.contextvars.get_contextvars() == {
        "label": "fake",
        "modality": "audio,image",
        "version": "voice:1,blend:2",
        "degraded": True,
        "stages_ms": {"decode": 50.0, "triton": 5.0, "explain": 7.0},
    }
    assert telemetry.totals("telltale_verdicts", "modality") == {"audio": 1, "image": 1}
    structlog.contextvars.clear_contextvars()
