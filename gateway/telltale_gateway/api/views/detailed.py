"""The answers of ``/analyze``, ``/analyze/frames``, ``/analyze/audio`` and ``/analyze/comprehensive``, from a study."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, Literal, TypeVar

from telltale_contracts import BundleMetadata

from telltale_gateway.analysis import Study, Verdict
from telltale_gateway.analysis.explanation import NAMES
from telltale_gateway.analysis.findings import figures_of, rolling_average
from telltale_gateway.analysis.labels import label_of
from telltale_gateway.analysis.verdict import Trend
from telltale_gateway.api.views.drawings import frame_places
from telltale_gateway.api.views.shapes import View, Word, seconds, word

Data = TypeVar("Data", bound=View)


@dataclass(frozen=True)
class Drawn:
    """A drawing that goes with an answer, or why there is none."""

    body: bytes | None = None
    reason: str | None = None

    def missing(self, what: str) -> list[str]:
        """The sentence that says why it is not there; none where it is."""
        return [] if self.reason is None else [f"The {what} could not be drawn: {self.reason}".rstrip(".") + "."]


class Envelope(View, Generic[Data]):
    """Around every answer of this family; ``timestamp`` in ISO 8601, UTC."""

    success: Literal[True] = True
    model_used: str
    timestamp: datetime
    data: Data


class Metrics(View):
    """Over the scores of the frames that were looked at; null where none has one. ``rolling_average``: of five."""

    frame_count: int
    final_average_score: float | None
    max_score: float | None
    min_score: float | None
    suspicious_frames_count: int
    score_variance: float | None
    rolling_average: list[float | None]


class Analysis(View):
    """``data`` of ``/analyze``; ``processing_time`` in seconds."""

    prediction: Word
    confidence: float
    processing_time: float
    metrics: Metrics
    note: str


class FramePrediction(View):
    """One frame by its place in the video; null where nobody could judge it."""

    frame_index: int
    score: float | None
    prediction: Word | None


class TemporalAnalysis(View):
    """How the frames' scores go on; ``trend``: whether their least squares line changes by 0.1 or more over them."""

    rolling_average: list[float | None]
    variance: float | None
    trend: Trend | None


class FramesAnalysis(View):
    """``data`` of ``/analyze/frames``."""

    overall_prediction: Word
    overall_confidence: float
    processing_time: float
    frame_predictions: list[FramePrediction]
    temporal_analysis: TemporalAnalysis
    note: str


class SoundProperties(View):
    """Of the sound track as it is in the file."""

    duration_seconds: float | None
    sample_rate: int | None
    channels: int | None


class Pitch(View):
    """Of the voiced speech; stability = 1 - standard deviation / mean."""

    mean_pitch_hz: float | None
    pitch_stability_score: float | None


class Energy(View):
    """Root mean square in [0, 1], and the share of 25 ms stretches under -60 dBFS."""

    rms_energy: float | None
    silence_ratio: float | None


class Spectral(View):
    """Means over time: centroid in Hz, contrast in dB."""

    spectral_centroid: float | None
    spectral_contrast: float | None


class SoundPicture(View):
    """A PNG of the spectrogram: where it can be had for a while, and as base64; null where it could not be drawn."""

    spectrogram_url: str | None
    spectrogram_data: str | None


class AudioAnalysis(View):
    """``data`` of ``/analyze/audio``."""

    prediction: Word
    confidence: float
    properties: SoundProperties
    pitch: Pitch
    energy: Energy
    spectral: Spectral
    visualization: SoundPicture
    note: str


class Comprehensive(Analysis):
    """``data`` of ``/analyze/comprehensive``; the breakdown is in seconds by stage."""

    frames_analysis: FramesAnalysis
    visualization_generated: bool
    visualization_filename: str | None
    processing_breakdown: dict[str, float]


def enveloped(verdict: Verdict, data: Data) -> Envelope[Data]:
    """An answer with what stands around it."""
    return Envelope(model_used=verdict.version, timestamp=datetime.now(UTC), data=data)


def analysis_of(verdict: Verdict) -> Analysis:
    """``/analyze``."""
    metrics = metrics_of(verdict)
    said = [_called_so(verdict)]
    if metrics.min_score is not None:
        said.append(
            f"Over {metrics.frame_count} frames the score lies between {metrics.min_score:.2f} and "
            f"{metrics.max_score:.2f}; in {metrics.suspicious_frames_count} it is suspicious."
        )
    return Analysis(
        prediction=word(verdict.label),
        confidence=verdict.confidence,
        processing_time=seconds(verdict),
        metrics=metrics,
        note=" ".join([*said, *_untested(verdict)]),
    )


def metrics_of(verdict: Verdict) -> Metrics:
    """Over the frames' scores."""
    scores = [sample.score for sample in verdict.frame_samples if sample.score is not None]
    figures = figures_of(verdict.frame_samples)
    return Metrics(
        frame_count=len(verdict.frame_samples),
        final_average_score=figures.mean if figures else None,
        max_score=figures.highest if figures else None,
        min_score=figures.lowest if figures else None,
        suspicious_frames_count=sum(score >= verdict.threshold for score in scores),
        score_variance=figures.variance if figures else None,
        rolling_average=list(rolling_average(verdict.frame_samples)),
    )


def frames_of(study: Study) -> FramesAnalysis:
    """``/analyze/frames``."""
    verdict = study.verdict
    over_time, figures = verdict.findings.temporal, figures_of(verdict.frame_samples)
    places = frame_places(study.bundle.metadata)
    said = [_called_so(verdict)]
    if over_time is not None:
        said.append(
            f"The least squares line through the frames' scores is {over_time.trend}; their variance is "
            f"{over_time.variance:.4f}."
        )
    return FramesAnalysis(
        overall_prediction=word(verdict.label),
        overall_confidence=verdict.confidence,
        processing_time=seconds(verdict),
        frame_predictions=[
            FramePrediction(frame_index=place, score=sample.score, prediction=_called(sample.score, verdict))
            for place, sample in zip(places, verdict.frame_samples, strict=True)
        ],
        temporal_analysis=TemporalAnalysis(
            rolling_average=list(rolling_average(verdict.frame_samples)),
            variance=figures.variance if figures else None,
            trend=over_time.trend if over_time else None,
        ),
        note=" ".join([*said, *_untested(verdict)]),
    )


def audio_of(verdict: Verdict, metadata: BundleMetadata, picture: Drawn, url: str | None) -> AudioAnalysis:
    """``/analyze/audio``; ``picture`` is the spectrogram's PNG, if it could be drawn."""
    sound = metadata.audio
    return AudioAnalysis(
        prediction=word(verdict.label),
        confidence=verdict.confidence,
        properties=SoundProperties(
            duration_seconds=sound.duration_s if sound else None,
            sample_rate=metadata.media.sample_rate,
            channels=metadata.media.channels,
        ),
        pitch=Pitch(
            mean_pitch_hz=sound.pitch_hz if sound else None,
            pitch_stability_score=sound.pitch_stability if sound else None,
        ),
        energy=Energy(
            rms_energy=sound.rms if sound else None,
            silence_ratio=sound.silence_ratio if sound else None,
        ),
        spectral=Spectral(
            spectral_centroid=sound.spectral_centroid_hz if sound else None,
            spectral_contrast=sound.spectral_contrast_db if sound else None,
        ),
        visualization=SoundPicture(
            spectrogram_url=url,
            spectrogram_data=None if picture.body is None else base64.b64encode(picture.body).decode(),
        ),
        note=" ".join([_called_so(verdict), *_untested(verdict), *picture.missing("spectrogram")]),
    )


def comprehensive_of(study: Study, film: Drawn, filename: str | None, drawing_s: float) -> Comprehensive:
    """``/analyze/comprehensive``; ``filename``: what was drawn, if it could be, in ``drawing_s`` seconds."""
    analysis = analysis_of(study.verdict)
    stages = {stage: spent / 1000.0 for stage, spent in study.verdict.timings_ms.items()}
    return Comprehensive(
        **analysis.model_dump(exclude={"metrics", "processing_time", "note"}),
        note=" ".join([analysis.note, *film.missing("film")]),
        metrics=analysis.metrics,
        processing_time=analysis.processing_time + drawing_s,
        frames_analysis=frames_of(study),
        visualization_generated=filename is not None,
        visualization_filename=filename,
        processing_breakdown={**stages, "visualization": drawing_s},
    )


def _called_so(verdict: Verdict) -> str:
    return f"{word(verdict.label)} with a confidence of {verdict.confidence:.2f}."


def _untested(verdict: Verdict) -> list[str]:
    return ["Not tested: " + ", ".join(NAMES[forgery] for forgery in verdict.untested) + "."] * bool(verdict.untested)


def _called(score: float | None, verdict: Verdict) -> Word | None:
    """A frame's word, by the verdict's own rule for a score."""
    if score is None:
        return None
    return word(label_of(score, threshold=verdict.threshold, uncertain=verdict.rules.uncertain))
