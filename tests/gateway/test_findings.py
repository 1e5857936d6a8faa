"""Which seconds, how steady, which region, whether detectors agree: from numbers that a test can follow."""

from __future__ import annotations

import pytest
from telltale_contracts import Forgery
from telltale_gateway.analysis.findings import (
    agreement,
    find,
    regions,
    rolling_average,
    suspicious_frames,
    suspicious_sound,
    temporal,
    unheard,
)
from telltale_gateway.analysis.verdict import AudioSegment, DetectorResult, FaceScore, FrameSample, Heatmap


def frames(*scores: float | None) -> list[FrameSample]:
    """A frame each second."""
    return [FrameSample(t=float(t), score=score, faces=()) for t, score in enumerate(scores)]


def heatmap(
    *grid: tuple[float, ...], box: tuple[float, float, float, float] | None = (100.0, 50.0, 30.0, 30.0)
) -> Heatmap:
    return Heatmap(method="occlusion", version=1, t=2.0, until=2.0, track=0, box=box, score=0.9, grid=grid)


def detector(name: str, forgery: Forgery, score: float) -> DetectorResult:
    return DetectorResult(
        name=name,
        version=1,
        forgery=forgery,
        server="triton",
        artifact_sha256=None,
        status="scored",
        raw_score=score,
        score=score,
        weight=1.0,
        contribution=score,
    )


def test_a_run_reaches_halfway_to_its_neighbours() -> None:
    (stretch,) = suspicious_frames(frames(0.1, 0.8, 0.9, 0.2), 0.5, 4.0)
    assert (stretch.start, stretch.end, stretch.peak) == (0.5, 2.5, 0.9)


def test_a_run_at_either_end_reaches_the_end_of_the_video() -> None:
    first, last = suspicious_frames(frames(0.8, 0.1, 0.6), 0.5, 3.5)
    assert (first.start, first.end) == (0.0, 0.5)
    assert (last.start, last.end) == (1.5, 3.5)


def test_a_frame_without_a_score_ends_a_run() -> None:
    nobody = [None] * 6
    first, last = suspicious_frames(frames(0.8, 0.7, *nobody, 0.9, 0.6), 0.5, 10.0)
    assert (first.start, first.end, first.peak) == (0.0, 1.5, 0.8)
    assert (last.start, last.end, last.peak) == (7.5, 10.0, 0.9)
    alone, again = suspicious_frames(frames(None, 0.8, None, 0.7, None, 0.1), 0.5, 6.0)
    assert [(each.start, each.end) for each in (alone, again)] == [(0.5, 1.5), (2.5, 3.5)]


def test_the_threshold_itself_is_suspicious_and_nothing_below_it() -> None:
    assert len(suspicious_frames(frames(0.5, 0.1), 0.5, 2.0)) == 1
    assert suspicious_frames(frames(0.49, 0.1), 0.5, 2.0) == ()


def test_overlapping_stretches_of_sound_are_one() -> None:
    sound = [(0.0, 4.0, 0.6), (2.0, 6.0, 0.9), (6.0, 8.0, 0.1), (9.0, 12.0, 0.7)]
    found = suspicious_sound([AudioSegment(start=a, end=b, score=c) for a, b, c in sound], 0.5)
    assert [(each.start, each.end, each.peak) for each in found] == [(0.0, 6.0, 0.9), (9.0, 12.0, 0.7)]


def test_the_seconds_of_a_sound_that_no_segment_covers_are_named() -> None:
    def found(sound_s: float, *spans: tuple[float, float]) -> list[tuple[float, float]]:
        segments = [AudioSegment(start=start, end=end, score=0.5) for start, end in spans]
        return [(each.start, each.end) for each in unheard(segments, sound_s)]

    assert found(5.2, (0.0, 4.0)) == [(4.0, 5.2)]
    assert found(9.0, (5.0, 8.95), (1.0, 3.0), (2.0, 4.0)) == [(0.0, 1.0), (4.0, 5.0)]
    assert found(4.0, (0.0, 4.0)) == []
    assert found(4.0) == []


def test_steadiness_is_what_lies_between_successive_frames() -> None:
    steady = temporal(frames(0.2, None, 0.4, 0.3))
    assert steady is not None
    assert steady.consistency == pytest.approx(1 - (0.2 + 0.1) / 2)
    assert (steady.frames, steady.lowest, steady.highest) == (3, 0.2, 0.4)
    assert steady.mean == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("scores", "trend"),
    [
        ((0.1, 0.3, 0.5), "rising"),
        ((0.5, 0.3, 0.1), "falling"),
        ((0.3, 0.35, 0.3), "stable"),
        ((0.1, 0.9, 0.1), "stable"),
    ],
)
def test_the_trend_is_that_of_the_line_through_all_frames(scores: tuple[float, ...], trend: str) -> None:
    steady = temporal(frames(*scores))
    assert steady is not None
    assert steady.trend == trend


def test_one_frame_has_no_steadiness() -> None:
    assert temporal(frames(0.3, None)) is None


def test_the_rolling_average_has_two_neighbours_on_either_side() -> None:
    rolled = rolling_average(frames(0.1, 0.2, 0.3, 0.4, 0.5, None))
    assert rolled[2] == pytest.approx(0.3)
    assert rolled[0] == pytest.approx(0.2)
    assert rolled[5] == pytest.approx(0.45)
    assert rolling_average(frames(None)) == (None,)


def test_a_region_is_the_strongest_cell_and_what_hangs_together_with_it() -> None:
    (region,) = regions("d", heatmap((0.9, 1.0, 0.0), (0.1, -2.0, 0.0), (0.0, 0.0, 0.8)))
    assert region.box == (100.0, 50.0, 20.0, 10.0)
    assert region.share == pytest.approx(1.9 / 2.8)


def test_where_nothing_speaks_for_a_forgery_there_is_no_region() -> None:
    assert regions("d", heatmap((-1.0, 0.0), (0.0, -0.5))) == ()
    assert regions("d", heatmap((1.0, 0.0), box=None)) == ()


def test_agreement_is_within_one_forgery() -> None:
    both = [detector("a", "face_swap", 0.9), detector("b", "face_swap", 0.6), detector("c", "voice", 0.1)]
    (found,) = agreement(both)
    assert (found.detectors, found.lowest, found.highest) == (("a", "b"), 0.6, 0.9)
    assert found.agreement == pytest.approx(0.7)


def test_faces_that_nobody_could_judge_are_counted() -> None:
    face = FaceScore(track=0, box=(0.0, 0.0, 9.0, 9.0), score=0.4)
    seen = [
        FrameSample(t=0.0, score=0.4, faces=(face, face.model_copy(update={"score": None, "track": 1}))),
        FrameSample(t=1.0, score=None, faces=()),
    ]
    found = find(
        forgeries={"face_swap": 0.4, "voice": 0.1},
        detectors=[detector("a", "face_swap", 0.4)],
        frames=seen,
        tracks=[],
        segments=[],
        threshold=0.5,
        duration_s=None,
        sound_s=0.0,
    )
    assert (found.faces, found.faces_unjudged, found.frames, found.frames_without_face) == (2, 1, 2, 1)
    assert (found.likeliest, found.decisive, found.face) == ("face_swap", "a", None)
