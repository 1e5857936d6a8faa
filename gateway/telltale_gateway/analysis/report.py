"""A judgement and what it rests on, laid out as the canonical answer."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from telltale_contracts import BundleMetadata, FaceCrop, FaceSpec, Image, Server, SoundSpec

from telltale_gateway.analysis.explanation import explain
from telltale_gateway.analysis.findings import find
from telltale_gateway.analysis.heatmaps import Shown
from telltale_gateway.analysis.judgement import Judge, Judgement, Parts
from telltale_gateway.analysis.media import MediaSource
from telltale_gateway.analysis.scoring import Outcome
from telltale_gateway.analysis.verdict import (
    AudioSegment,
    DetectorResult,
    FaceScore,
    FrameSample,
    Meta,
    Rules,
    TrackScore,
    Verdict,
)


@dataclass(frozen=True)
class Timings:
    """Milliseconds of the stages that the gateway itself sees; ``explain_ms`` only where heatmaps were asked for."""

    upload_ms: float
    preprocess_ms: float
    explain_ms: float | None
    fuse_ms: float
    total_ms: float


def compose(
    *,
    media: MediaSource,
    sha256: str,
    metadata: BundleMetadata,
    outcomes: Sequence[Outcome],
    judgement: Judgement,
    judge: Judge,
    shown: Mapping[str, Shown] | None,
    timings: Timings,
    unreadable: Sequence[str],
) -> Verdict:
    """The Verdict.

    ``shown`` are the heatmaps, where they were asked for; ``unreadable`` names detectors that should have been asked,
    and could not even be read.
    """
    score, rules = judgement.fused.score, judge.rules
    detectors = tuple(_detector(outcome, judgement, shown or {}) for outcome in outcomes)
    parts = judge.parts(outcomes)
    frames, tracks = _frames(metadata, outcomes, parts), _tracks(metadata, outcomes, parts)
    segments = _segments(metadata, outcomes, parts)
    forgeries = dict(judgement.fused.forgeries)
    verdict = Verdict(
        id=uuid.uuid4().hex,
        label=judgement.label,
        score=score,
        confidence=max(score, 1.0 - score),
        threshold=rules.threshold,
        is_deepfake=judgement.label == "fake",
        modality=metadata.media.kind,
        filename=media.filename,
        sha256=sha256,
        forgeries=forgeries,
        untested=judgement.untested,
        detectors=detectors,
        frame_samples=frames,
        tracks=tracks,
        audio_segments=segments,
        findings=find(
            forgeries=forgeries,
            detectors=detectors,
            frames=frames,
            tracks=tracks,
            segments=segments,
            threshold=rules.threshold,
            duration_s=metadata.media.duration_s,
            sound_s=metadata.audio.duration_s if metadata.audio else 0.0,
        ),
        rules=Rules(
            uncertain=rules.uncertain, min_face_quality=rules.min_face_quality, contradiction=rules.contradiction
        ),
        explanation=(),
        degraded=bool(unreadable) or any(outcome.status == "failed" for outcome in outcomes),
        version=",".join(f"{o.deployed.name}:{o.deployed.version}" for o in outcomes if o.status == "scored"),
        latency_ms=timings.total_ms,
        timings_ms=_timings(metadata, outcomes, timings),
        meta=_meta(metadata),
    )
    return verdict.model_copy(update={"explanation": explain(verdict, judgement.why_uncertain)})


def _detector(outcome: Outcome, judgement: Judgement, shown: Mapping[str, Shown]) -> DetectorResult:
    deployed, aggregated = outcome.deployed, outcome.aggregated
    maps = shown.get(deployed.name)
    return DetectorResult(
        name=deployed.name,
        version=deployed.version,
        forgery=deployed.manifest.forgery,
        server=deployed.manifest.server,
        artifact_sha256=deployed.card.artifact.sha256 if deployed.card else None,
        status=outcome.status,
        reason=outcome.reason,
        raw_score=aggregated.raw if aggregated else None,
        score=aggregated.score if aggregated else None,
        weight=deployed.manifest.weight,
        contribution=judgement.contributions.get(deployed.name),
        items=len(aggregated.items) if aggregated else 0,
        min_items=deployed.manifest.min_items,
        tracks=sum(track >= 0 for track in aggregated.tracks) if aggregated else 0,
        latency_ms=outcome.latency_ms,
        heatmaps=maps.heatmaps if maps else (),
        heatmaps_missing=maps.reason if maps and not maps.heatmaps else None,
        instead_of=outcome.instead_of,
    )


def _frames(metadata: BundleMetadata, outcomes: Sequence[Outcome], parts: Parts) -> tuple[FrameSample, ...]:
    of_faces, of_pictures = _item_scores(outcomes, FaceCrop), _item_scores(outcomes, Image)
    faces: dict[int, list[FaceScore]] = {}
    for track in metadata.tracks:
        for seen in track.observations:
            score = parts.fuse(of_faces.get((seen.frame, track.track), {}))
            faces.setdefault(seen.frame, []).append(FaceScore(track=track.track, box=seen.box, score=score))
    whole: dict[int, list[float | None]] = {}
    for (index, _), scored in of_pictures.items():
        whole.setdefault(index, []).append(parts.fuse(scored))
    samples = []
    for index, frame in enumerate(metadata.frames):
        inside = tuple(faces.get(index, ()))
        scores = [s for s in [*(face.score for face in inside), *whole.get(index, ())] if s is not None]
        samples.append(FrameSample(t=frame.t, score=max(scores, default=None), faces=inside))
    return tuple(samples)


def _tracks(metadata: BundleMetadata, outcomes: Sequence[Outcome], parts: Parts) -> tuple[TrackScore, ...]:
    answers = []
    for track in metadata.tracks:
        scores = {
            outcome.deployed.name: outcome.aggregated.tracks[track.track]
            for outcome in outcomes
            if outcome.aggregated is not None
            and isinstance(outcome.deployed.manifest.input, FaceSpec)
            and track.track in outcome.aggregated.tracks
        }
        times = [metadata.frames[seen.frame].t for seen in track.observations]
        answers.append(
            TrackScore(
                track=track.track,
                score=parts.fuse(scores),
                first_t=min(times),
                last_t=max(times),
                frames=len(track.observations),
                quality=track.quality,
            )
        )
    return tuple(answers)


def _segments(metadata: BundleMetadata, outcomes: Sequence[Outcome], parts: Parts) -> tuple[AudioSegment, ...]:
    spans: dict[tuple[float, float], dict[str, float]] = {}
    for outcome in outcomes:
        if not isinstance(outcome.deployed.manifest.input, SoundSpec) or outcome.key not in metadata.segments:
            continue
        segments = metadata.segments[outcome.key]
        for index, _, score in _scored_items(outcome):
            segment = segments[int(index)]
            spans.setdefault((segment.start, segment.end), {})[outcome.deployed.name] = score
    answers = []
    for (start, end), scores in sorted(spans.items()):
        fused = parts.fuse(scores)
        if fused is not None:
            answers.append(AudioSegment(start=start, end=end, score=fused))
    return tuple(answers)


def _scored_items(outcome: Outcome) -> list[tuple[int, int, float]]:
    """Frame (or segment), track and calibrated score of each item; none where the detector did not score."""
    if outcome.aggregated is None or outcome.items is None:
        return []
    return [
        (int(frame), int(track), score)
        for frame, track, score in zip(outcome.items.frame, outcome.items.track, outcome.aggregated.items, strict=True)
    ]


def _item_scores(outcomes: Sequence[Outcome], spec: type[FaceCrop | Image]) -> dict[tuple[int, int], dict[str, float]]:
    """For each (frame, track): what each detector of that kind of input said of it."""
    parts: dict[tuple[int, int], dict[str, float]] = {}
    for outcome in outcomes:
        if isinstance(outcome.deployed.manifest.input, spec):
            for frame, track, score in _scored_items(outcome):
                parts.setdefault((frame, track), {})[outcome.deployed.name] = score
    return parts


def _timings(metadata: BundleMetadata, outcomes: Sequence[Outcome], timings: Timings) -> dict[str, float]:
    inside = {stage: metadata.timings_ms.get(stage, 0.0) for stage in ("decode", "faces", "features")}
    servers: dict[Server, float] = {"triton": 0.0, "tfserving": 0.0}
    for outcome in outcomes:
        server = outcome.deployed.manifest.server
        servers[server] = max(servers[server], outcome.latency_ms or 0.0)
    return {
        "upload": timings.upload_ms,
        **inside,
        # Of preprocessing, what is none of its stages: its queue, and the way there and back.
        "wait": max(0.0, timings.preprocess_ms - sum(inside.values())),
        "triton": servers["triton"],
        "tfserving": servers["tfserving"],
        **({} if timings.explain_ms is None else {"explain": timings.explain_ms}),
        "fuse": timings.fuse_ms,
    }


def _meta(metadata: BundleMetadata) -> Meta:
    media = metadata.media
    with_face = {seen.frame for track in metadata.tracks for seen in track.observations}
    looked_at = len(metadata.frames)
    return Meta(
        src_fps=media.src_fps,
        total_frames=media.total_frames,
        used_step=metadata.used_step,
        face_frames=len(with_face),
        face_detect_rate=len(with_face) / looked_at if looked_at else None,
        duration_s=media.duration_s,
        width=media.width,
        height=media.height,
        container=media.container,
        video_codec=media.video_codec,
        audio_codec=media.audio_codec,
        variable_frame_rate=media.variable_frame_rate,
    )
