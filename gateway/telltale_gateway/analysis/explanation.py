"""The verdict in sentences, each computed from numbers of the same answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from telltale_contracts import Forgery

from telltale_gateway.analysis.verdict import DetectorResult, Verdict

NAMES: dict[Forgery, str] = {
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
_MOST_STRETCHES = 3


def explain(verdict: Verdict, why_uncertain: Sequence[str] = ()) -> tuple[str, ...]:
    """Why the label is what it is, which forgery, face, seconds and detector, and what could not be looked at.

    A verdict's own explanation is not read. ``why_uncertain`` are the judge's reasons, which name numbers of it too.
    """
    return (
        f"P(fake) is {verdict.score:.2f}: {verdict.label}.",
        *why_uncertain,
        *_which_forgery(verdict),
        *(_about(detector) for detector in verdict.detectors),
        *_who_moved_it(verdict),
        *_which_face(verdict),
        *_which_seconds(verdict),
        *_how_steady(verdict),
        *_whether_they_agree(verdict),
        *_not_looked_at(verdict),
        *_where(verdict),
    )


def _which_forgery(verdict: Verdict) -> Iterator[str]:
    likeliest = verdict.findings.likeliest
    if verdict.label == "fake" and likeliest is not None:
        yield f"The likeliest forgery is {NAMES[likeliest]} ({verdict.forgeries[likeliest]:.2f})."


def _about(detector: DetectorResult) -> str:
    who = f"{detector.name} {detector.version}"
    if detector.score is None or detector.contribution is None:
        word = "failed" if detector.status == "failed" else "does not apply"
        return f"{who} {word}: {detector.reason}".rstrip(".") + "."
    over = f"{detector.items} item{'s' if detector.items > 1 else ''}"
    if detector.tracks > 1:
        over += f" of {detector.tracks} face tracks"
    return f"{who} gives {detector.score:.2f} over {over}, and moves the log-odds by {detector.contribution:+.2f}."


def _who_moved_it(verdict: Verdict) -> Iterator[str]:
    moved = {each.name: each.contribution for each in verdict.detectors if each.contribution is not None}
    decisive = verdict.findings.decisive
    if decisive is not None and len(moved) > 1:
        yield f"{decisive} moved it most: without it the log-odds would differ by {abs(moved[decisive]):.2f}."


def _which_face(verdict: Verdict) -> Iterator[str]:
    track = next((each for each in verdict.tracks if each.track == verdict.findings.face), None)
    if track is not None and track.score is not None and verdict.modality == "video":
        most = "The most suspicious face" if len(verdict.tracks) > 1 else "The face"
        yield f"{most} is face {track.track}, seen from {track.first_t:.1f} to {track.last_t:.1f} s: {track.score:.2f}."


def _which_seconds(verdict: Verdict) -> Iterator[str]:
    worst = sorted(verdict.findings.suspicious, key=lambda each: -each.peak)[:_MOST_STRETCHES]
    for stretch in sorted(worst, key=lambda each: (each.of, each.start)):
        what = "Every frame looked at" if stretch.of == "picture" else "The sound"
        when = f"from {stretch.start:.1f} to {stretch.end:.1f} s"
        yield f"{what} {when} scores {verdict.threshold:.2f} or more, up to {stretch.peak:.2f}."


def _how_steady(verdict: Verdict) -> Iterator[str]:
    over_time = verdict.findings.temporal
    if over_time is not None:
        yield (
            f"Over {over_time.frames} frames the score lies between {over_time.lowest:.2f} and "
            f"{over_time.highest:.2f}; its least squares line is {over_time.trend}, its consistency "
            f"{over_time.consistency:.2f}."
        )


def _whether_they_agree(verdict: Verdict) -> Iterator[str]:
    for each in verdict.findings.agreement:
        who = " and ".join(each.detectors)
        yield f"{who} test for {NAMES[each.forgery]} and give {each.lowest:.2f} to {each.highest:.2f}."


def _not_looked_at(verdict: Verdict) -> Iterator[str]:
    found = verdict.findings
    if verdict.untested:
        yield "Not tested: " + ", ".join(NAMES[forgery] for forgery in verdict.untested) + "."
    yield from _not_heard(verdict)
    if found.faces_unjudged:
        yield f"Of {found.faces} faces in {found.frames} frames {found.faces_unjudged} could not be judged."
    if found.faces and found.frames_without_face:
        yield f"Of {found.frames} frames {found.frames_without_face} show no face."


def _not_heard(verdict: Verdict) -> Iterator[str]:
    stretches = sorted(verdict.findings.unheard, key=lambda each: each.start - each.end)
    named = sorted(stretches[:_MOST_STRETCHES], key=lambda each: each.start)
    if named:
        when = ", ".join(f"{each.start:.1f} to {each.end:.1f} s" for each in named)
        rest = ", and shorter stretches" if len(stretches) > len(named) else ""
        yield f"No detector listened to the sound from {when}{rest}."


def _where(verdict: Verdict) -> Iterator[str]:
    for detector in verdict.detectors:
        if detector.heatmaps_missing is not None:
            yield f"No heatmap of {detector.name}: {detector.heatmaps_missing}".rstrip(".") + "."
        elif detector.heatmaps:
            count = len(detector.heatmaps)
            method = _METHODS[detector.heatmaps[0].method]
            yield f"{detector.name} shows {count} item{'s' if count > 1 else ''} by {method}."
    for region in verdict.findings.regions:
        x, y, width, height = region.box
        yield (
            f"For {region.detector} what speaks most for a forgery at {region.t:.1f} s is the {width:.1f} x "
            f"{height:.1f} pixels at {x:.1f}, {y:.1f}: {region.share:.2f} of all that does."
        )
