"""The verdict in sentences, each computed from numbers of the same answer."""

from __future__ import annotations

from collections.abc import Sequence

from telltale_gateway.analysis.judgement import Judgement
from telltale_gateway.analysis.scoring import Outcome

_NAMES = {
    "face_swap": "a swapped or blended face",
    "face_synthesis": "a generated face",
    "reenactment": "a reenacted face",
    "voice": "a synthetic voice",
    "whole_image": "a generated or edited picture",
}


def explain(judgement: Judgement, outcomes: Sequence[Outcome], *, heatmaps_asked: bool) -> tuple[str, ...]:
    """Why the label is what it is, what each detector found, and what could not be looked at."""
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
    if heatmaps_asked:
        sentences.append("No heatmaps: none of the detectors asked has one in its graph.")
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
