"""The verdict in sentences, each computed from numbers of the same answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from telltale_gateway.analysis.heatmaps import Shown
from telltale_gateway.analysis.judgement import Judgement
from telltale_gateway.analysis.scoring import Outcome

_NAMES = {
    "face_swap": "a swapped or blended face",
    "face_synthesis": "a generated face",
    "reenactment": "a reenacted face",
    "voice": "a synthetic voice",
    "whole_image": "a generated or edited picture",
}


_METHODS = {
    "class_activation": "the class activation map of its graph",
    "occlusion": "occlusion through the served model",
}


def explain(
    judgement: Judgement, outcomes: Sequence[Outcome], shown: Mapping[str, Shown] | None = None
) -> tuple[str, ...]:
    """Why the label is what it is, what each detector found, and what could not be looked at.

    ``shown`` are the heatmaps of each detector, where they were asked for.
    """
    fused = judgement.fused
    sentences = [f"P(fake) is {fused.score:.2f}: {judgement.label}."]
    sentences += judgement.why_uncertain
    likeliest = max(fused.forgeries, key=lambda forgery: fused.forgeries[forgery])
    if judgement.label == "fake":
        sentences.append(f"The likeliest forgery is {_NAMES[likeliest]} ({fused.forgeries[likeliest]:.2f}).")
    for outcome in outcomes:
        sentences.append(_about(outcome, judgement))
    if judgement.untested:
        sentences.append("Not tested: " + ", ".join(_NAMES[forgery] for forgery in judgement.untested) + ".")
    sentences += [_about_heatmaps(name, each) for name, each in (shown or {}).items()]
    return tuple(sentences)


def _about(outcome: Outcome, judgement: Judgement) -> str:
    deployed = outcome.deployed
    who = f"{deployed.name} {deployed.version}"
    if outcome.aggregated is None:
        word = "failed" if outcome.status == "failed" else "does not apply"
        return f"{who} {word}: {outcome.reason}".rstrip(".") + "."
    aggregated = outcome.aggregated
    moved = judgement.contributions[deployed.name]
    faces = [track for track in aggregated.tracks if track >= 0]
    over = f"{len(aggregated.items)} items" + (f" of {len(faces)} face tracks" if len(faces) > 1 else "")
    return f"{who} gives {aggregated.score:.2f} over {over}, and moves the log-odds by {moved:+.2f}."


def _about_heatmaps(name: str, shown: Shown) -> str:
    if not shown.heatmaps:
        return f"No heatmap of {name}: {shown.reason}".rstrip(".") + "."
    count = len(shown.heatmaps)
    return f"{name} shows {count} item{'s' if count > 1 else ''} by {_METHODS[shown.heatmaps[0].method]}."
