"""What the scores of one verdict say together: which seconds, how steady, which region, whether detectors agree.

Each is computed from numbers of the same answer, by the rule that its function names; nothing here changes a score.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Forgery

from telltale_gateway.analysis.verdict import (
    Agreement,
    AudioSegment,
    DetectorResult,
    Findings,
    FrameSample,
    Heatmap,
    Region,
    SuspiciousStretch,
    Temporal,
    TrackScore,
    Trend,
    Unheard,
)

ROLLING = 5
"""Frames of the rolling average: two on either side."""
_TREND = 0.1
_REGION_SHARE = 0.5
_SHORTEST_UNHEARD_S = 0.1


def find(
    *,
    forgeries: dict[Forgery, float],
    detectors: Sequence[DetectorResult],
    frames: Sequence[FrameSample],
    tracks: Sequence[TrackScore],
    segments: Sequence[AudioSegment],
    threshold: float,
    duration_s: float | None,
    sound_s: float,
) -> Findings:
    """Everything that the parts of a verdict say together."""
    scored = [detector for detector in detectors if detector.contribution is not None]
    faces = [face for frame in frames for face in frame.faces]
    judged = [track for track in tracks if track.score is not None]
    return Findings(
        likeliest=max(forgeries.items(), key=lambda item: item[1])[0] if forgeries else None,
        decisive=max(scored, key=lambda each: abs(each.contribution or 0.0)).name if scored else None,
        face=max(judged, key=lambda track: track.score or 0.0).track if judged else None,
        suspicious=(
            *suspicious_frames(frames, threshold, duration_s),
            *suspicious_sound(segments, threshold),
        ),
        unheard=unheard(segments, sound_s),
        temporal=temporal(frames),
        regions=tuple(region for each in detectors for shown in each.heatmaps for region in regions(each.name, shown)),
        agreement=agreement(scored),
        frames=len(frames),
        frames_without_face=sum(not frame.faces for frame in frames),
        faces=len(faces),
        faces_unjudged=sum(face.score is None for face in faces),
    )


def suspicious_frames(
    frames: Sequence[FrameSample], threshold: float, duration_s: float | None
) -> tuple[SuspiciousStretch, ...]:
    """Threshold runs: sampled frames in a row whose score is at least ``threshold``.

    A frame without a score ends a run: nobody knows what it would have scored. A run lasts from the middle between its
    first frame and the one before to the middle between its last and the one after, whether these have a score or not;
    at the ends of the video, to the end.
    """
    if len(frames) < 2:
        return ()
    times = [frame.t for frame in frames]
    middles = [(a + b) / 2 for a, b in pairwise(times)]
    edges = [min(0.0, times[0]), *middles, max(duration_s or 0.0, times[-1])]
    runs: list[list[int]] = []
    going = False
    for place, frame in enumerate(frames):
        above = frame.score is not None and frame.score >= threshold
        if above and going:
            runs[-1].append(place)
        elif above:
            runs.append([place])
        going = above
    return tuple(
        SuspiciousStretch(
            of="picture", start=edges[run[0]], end=edges[run[-1] + 1], peak=max(frames[i].score or 0.0 for i in run)
        )
        for run in runs
    )


def suspicious_sound(segments: Sequence[AudioSegment], threshold: float) -> tuple[SuspiciousStretch, ...]:
    """Stretches of sound that score at least ``threshold``, those that touch or overlap joined."""
    runs: list[SuspiciousStretch] = []
    for segment in sorted(segments, key=lambda each: each.start):
        if segment.score < threshold:
            continue
        if runs and segment.start <= runs[-1].end:
            last = runs.pop()
            end, peak = max(last.end, segment.end), max(last.peak, segment.score)
            runs.append(SuspiciousStretch(of="sound", start=last.start, end=end, peak=peak))
        else:
            runs.append(SuspiciousStretch(of="sound", start=segment.start, end=segment.end, peak=segment.score))
    return tuple(runs)


def unheard(segments: Sequence[AudioSegment], sound_s: float) -> tuple[Unheard, ...]:
    """The stretches of a sound of ``sound_s`` seconds that no scored segment covers, from a tenth of a second on.

    Its rest that fills no segment, pauses in which nobody speaks, and what lies between segments that are spread over
    a long recording. None where no segment was scored: its detectors say themselves why they did not listen.
    """
    if not segments:
        return ()
    found, heard_until = [], 0.0
    for start, end in [*sorted((each.start, each.end) for each in segments), (sound_s, sound_s)]:
        if start - heard_until >= _SHORTEST_UNHEARD_S:
            found.append(Unheard(start=heard_until, end=start))
        heard_until = max(heard_until, end)
    return tuple(found)


@dataclass(frozen=True)
class Figures:
    """Over the scores of the frames that have one; ``variance`` is that of these scores, divided by their number."""

    mean: float
    variance: float
    lowest: float
    highest: float


def figures_of(frames: Sequence[FrameSample]) -> Figures | None:
    """None where no frame has a score."""
    scores = [frame.score for frame in frames if frame.score is not None]
    if not scores:
        return None
    mean = fmean(scores)
    # Not statistics.pvariance, whose fractions take as long as all the rest of an answer.
    return Figures(mean, fmean((score - mean) ** 2 for score in scores), min(scores), max(scores))


def temporal(frames: Sequence[FrameSample]) -> Temporal | None:
    """How the frames' scores go on; None where fewer than two frames have one.

    ``consistency`` = 1 - the mean absolute difference of successive scores. ``slope``: of the least squares line, a
    second; the trend is "rising" or "falling" where that line changes by 0.1 or more over the frames, else "stable".
    """
    points = [(frame.t, frame.score) for frame in frames if frame.score is not None]
    figures = figures_of(frames)
    if len(points) < 2 or figures is None:
        return None
    times, scores = (np.array(values) for values in zip(*points, strict=True))
    span = float(times[-1] - times[0])
    around = times - times.mean()
    slope = float(around @ (scores - scores.mean()) / (around @ around)) if span > 0 else 0.0
    change = slope * span
    trend: Trend = "rising" if change >= _TREND else "falling" if change <= -_TREND else "stable"
    return Temporal(
        frames=len(points),
        mean=figures.mean,
        variance=figures.variance,
        lowest=figures.lowest,
        highest=figures.highest,
        consistency=1.0 - float(np.abs(np.diff(scores)).mean()),
        slope=slope,
        trend=trend,
    )


def rolling_average(frames: Sequence[FrameSample]) -> tuple[float | None, ...]:
    """For each frame the mean of the scores of five around it, itself in the middle; None where none has one."""
    half = ROLLING // 2
    averages = []
    for place in range(len(frames)):
        near = [f.score for f in frames[max(0, place - half) : place + half + 1] if f.score is not None]
        averages.append(sum(near) / len(near) if near else None)
    return tuple(averages)


def regions(detector: str, shown: Heatmap) -> tuple[Region, ...]:
    """The part of a picture that speaks most for a forgery, by a heatmap; none where no cell does.

    The cell of the highest value and those cells of at least half of it that hang together with it by their sides;
    ``share``: of all that the positive cells add.
    """
    grid = np.array(shown.grid, dtype=np.float64)
    if shown.box is None or not grid.size or grid.max() <= 0.0:
        return ()
    inside = _together(grid >= _REGION_SHARE * grid.max(), np.unravel_index(int(grid.argmax()), grid.shape))
    rows, columns = np.nonzero(inside)
    x, y, width, height = shown.box
    across, down = width / grid.shape[1], height / grid.shape[0]
    left, top = x + across * int(columns.min()), y + down * int(rows.min())
    right, bottom = x + across * (int(columns.max()) + 1), y + down * (int(rows.max()) + 1)
    return (
        Region(
            detector=detector,
            t=shown.t,
            track=shown.track,
            box=(round(left, 1), round(top, 1), round(right - left, 1), round(bottom - top, 1)),
            share=float(grid[inside].sum() / grid[grid > 0.0].sum()),
        ),
    )


def agreement(scored: Iterable[DetectorResult]) -> tuple[Agreement, ...]:
    """For each forgery that several detectors scored: how far apart they are; ``agreement`` = 1 - that distance."""
    by_forgery: dict[Forgery, list[DetectorResult]] = {}
    for detector in scored:
        by_forgery.setdefault(detector.forgery, []).append(detector)
    found = []
    for forgery, several in by_forgery.items():
        scores = [detector.score for detector in several if detector.score is not None]
        if len(scores) > 1:
            low, high = min(scores), max(scores)
            names = tuple(detector.name for detector in several)
            found.append(
                Agreement(forgery=forgery, detectors=names, lowest=low, highest=high, agreement=1.0 - (high - low))
            )
    return tuple(found)


def _together(mask: NDArray[np.bool_], start: tuple[np.intp, ...]) -> NDArray[np.bool_]:
    found = np.zeros_like(mask)
    waiting = [(int(start[0]), int(start[1]))]
    while waiting:
        row, column = waiting.pop()
        inside = 0 <= row < mask.shape[0] and 0 <= column < mask.shape[1]
        if not inside or found[row, column] or not mask[row, column]:
            continue
        found[row, column] = True
        waiting += [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
    return found
