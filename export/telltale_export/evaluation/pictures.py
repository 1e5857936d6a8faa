"""The curves of a report, each as a picture that lies inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from scipy.stats import norm

from telltale_export.evaluation.decisions import BINS, reliability
from telltale_export.evaluation.families import ScoredSet
from telltale_export.evaluation.metrics import Floats, roc
from telltale_export.evaluation.sheet import Sheet, scored_set

_REAL, _FAKE, _GUIDE = "#2f6f9f", "#b5482f", "#999999"
_DET_TICKS = (0.01, 0.05, 0.2, 0.5, 0.8)
_STYLE: Any = {"svg.hashsalt": "telltale", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}


@dataclass(frozen=True)
class Picture:
    """A picture as a data URI, and what it shows in words."""

    title: str
    alt: str
    uri: str


def pictures_of(sheet: Sheet) -> tuple[Picture, ...]:
    """ROC, DET, reliability and scores by class; nothing where one class only has scores."""
    scored = scored_set(sheet.of())
    if not scored.fake.any() or scored.fake.all():
        return ()
    alarms, hits = roc(scored.scores, scored.fake)
    with rc_context(_STYLE):
        return (
            Picture("ROC", "hit rate over false alarm rate", _drawn(_roc, alarms, hits)),
            Picture("DET", "miss rate over false alarm rate, both on normal deviates", _drawn(_det, alarms, hits)),
            Picture("Reliability", "share of fakes over mean score in each of ten bins", _drawn(_reliability, scored)),
            Picture("Scores", "how many genuine and forged media have which score", _drawn(_scores, scored)),
        )


def _drawn(draw: Any, *arguments: Any) -> str:
    figure = Figure(figsize=(3.6, 3.2), layout="constrained")
    draw(figure.add_subplot(), *arguments)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def _roc(axes: Any, alarms: Floats, hits: Floats) -> None:
    axes.plot([0, 1], [0, 1], color=_GUIDE, linewidth=0.8, linestyle=":")
    axes.plot(alarms, hits, color=_FAKE)
    axes.set(xlabel="false alarm rate", ylabel="hit rate", xlim=(0, 1), ylim=(0, 1.01), aspect="equal")


def _det(axes: Any, alarms: Floats, hits: Floats) -> None:
    # A rate of 0 or 1 lies at infinity: the axes end where one in two hundred would be.
    edge = 0.005
    axes.plot(norm.ppf(np.clip(alarms, edge, 1 - edge)), norm.ppf(np.clip(1 - hits, edge, 1 - edge)), color=_FAKE)
    ends = (norm.ppf(edge), norm.ppf(0.9))
    axes.plot(ends, ends, color=_GUIDE, linewidth=0.8, linestyle=":")
    ticks = {"ticks": norm.ppf(_DET_TICKS), "labels": [f"{tick:.0%}" for tick in _DET_TICKS]}
    axes.set_xticks(**ticks)
    axes.set_yticks(**ticks)
    axes.set(xlabel="false alarm rate", ylabel="miss rate", xlim=ends, ylim=ends, aspect="equal")


def _reliability(axes: Any, scored: ScoredSet) -> None:
    promised, held, weight = reliability(scored.scores, scored.fake, np.ones(len(scored.scores)))
    axes.plot([0, 1], [0, 1], color=_GUIDE, linewidth=0.8, linestyle=":")
    axes.plot(promised, held, color=_FAKE, linewidth=1)
    axes.scatter(promised, held, s=12 + 120 * weight / weight.max(), color=_FAKE, alpha=0.6, linewidths=0)
    for x, y, count in zip(promised, held, weight, strict=True):
        # Inside the picture: above a point that lies at its bottom.
        place = (5, 4) if y < 0.1 else (5, -9)
        axes.annotate(f"{count:.0f}", (x, y), textcoords="offset points", xytext=place, fontsize=7, color="#555555")
    axes.set(xlabel="mean score of the bin", ylabel="share of fakes in it", xlim=(0, 1), ylim=(-0.03, 1.03))


def _scores(axes: Any, scored: ScoredSet) -> None:
    edges = np.linspace(0, 1, 2 * BINS + 1)
    axes.hist(scored.scores[~scored.fake], edges, color=_REAL, alpha=0.6, label="genuine")
    axes.hist(scored.scores[scored.fake], edges, color=_FAKE, alpha=0.6, label="forged")
    axes.set(xlabel="score", ylabel="media", xlim=(0, 1))
    axes.legend(frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
