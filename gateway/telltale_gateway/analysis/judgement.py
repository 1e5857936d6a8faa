"""What the outcomes mean together: the fused probability, the label, and what each detector contributed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from telltale_contracts import BundleMetadata, FaceSpec, Forgery, SoundSpec

from telltale_gateway.analysis.fusion import Evidence, Fused, RivalForgeries, contradictions
from telltale_gateway.analysis.labels import label_of
from telltale_gateway.analysis.scoring import Outcome
from telltale_gateway.analysis.verdict import Label

_IN_FACES: tuple[Forgery, ...] = ("face_swap", "face_synthesis", "reenactment")


@dataclass(frozen=True)
class LabelRules:
    """When a probability becomes a word.

    A score inside ``uncertain`` is no word; nor is one from faces of a quality below ``min_face_quality``, or from
    detectors of one forgery of which one says at least ``contradiction`` and another at most 1 - ``contradiction``.
    """

    threshold: float
    uncertain: tuple[float, float]
    min_face_quality: float
    contradiction: float

    def label(self, score: float) -> Label:
        """The word for a probability, where nothing else speaks against one."""
        return label_of(score, threshold=self.threshold, uncertain=self.uncertain)


@dataclass(frozen=True)
class Judgement:
    """The fused probability, its label and its reasons."""

    fused: Fused
    label: Label
    why_uncertain: tuple[str, ...]
    in_question: tuple[Forgery, ...]
    untested: tuple[Forgery, ...]
    contributions: Mapping[str, float] = field(default_factory=dict)


class Judge:
    """Applies the fusion rule and the label rules."""

    def __init__(self, fusion: RivalForgeries, rules: LabelRules) -> None:
        self._fusion = fusion
        self.rules = rules

    def judge(self, outcomes: Sequence[Outcome], metadata: BundleMetadata) -> Judgement:
        """Fuse outcomes, of which at least one is scored."""
        in_question = forgeries_in_question(outcomes)
        evidence = [item for outcome in outcomes if (item := evidence_of(outcome)) is not None]
        fused = self._fusion.fuse(in_question, evidence)
        why = self._why_uncertain(fused, evidence, outcomes, metadata)
        label = "uncertain" if why else self.rules.label(fused.score)
        scored = {item.forgery for item in evidence}
        return Judgement(
            fused=fused,
            label=label,
            why_uncertain=why,
            in_question=in_question,
            untested=tuple(forgery for forgery in carried(outcomes, metadata) if forgery not in scored),
            contributions={e.detector: self._fusion.contribution(in_question, evidence, e) for e in evidence},
        )

    def parts(self, outcomes: Sequence[Outcome]) -> Parts:
        """What fuses the scores of single parts of the media: a face in a frame, a track, a stretch of sound."""
        return Parts(self._fusion, outcomes)

    def _why_uncertain(
        self, fused: Fused, evidence: Sequence[Evidence], outcomes: Sequence[Outcome], metadata: BundleMetadata
    ) -> tuple[str, ...]:
        reasons = []
        if self.rules.label(fused.score) == "uncertain":
            low, high = self.rules.uncertain
            reasons.append(f"The probability {fused.score:.2f} lies between {low:g} and {high:g}.")
        for over, under in contradictions(evidence, self.rules.contradiction):
            reasons.append(
                f"{over.detector} ({over.score:.2f}) and {under.detector} ({under.score:.2f}) test the same forgery "
                "and contradict each other."
            )
        scored = [outcome for outcome in outcomes if outcome.aggregated is not None]
        thin = [self._thin(outcome, metadata) for outcome in scored]
        if all(thin):
            reasons.extend(reason for reason in dict.fromkeys(thin) if reason)
        return tuple(reasons)

    def _thin(self, outcome: Outcome, metadata: BundleMetadata) -> str | None:
        manifest = outcome.deployed.manifest
        items = len(outcome.aggregated.items) if outcome.aggregated else 0
        if items < manifest.min_items:
            return f"{manifest.name} could look at {items} items only, {manifest.min_items} are needed."
        decisive = outcome.aggregated.decisive if outcome.aggregated else None
        quality = next((track.quality for track in metadata.tracks if track.track == decisive), 1.0)
        if isinstance(manifest.input, FaceSpec) and quality < self.rules.min_face_quality:
            return (
                f"The face that decides for {manifest.name} has a quality of {quality:.2f}, "
                f"{self.rules.min_face_quality:g} is needed."
            )
        return None


class Parts:
    """P(fake) of parts of one medium by the same rule; of those there are hundreds, so what they share is kept."""

    def __init__(self, fusion: RivalForgeries, outcomes: Sequence[Outcome]) -> None:
        self._fusion = fusion
        self._evidence = [item for outcome in outcomes if (item := evidence_of(outcome)) is not None]

    def fuse(self, scores: Mapping[str, float]) -> float | None:
        """``scores`` holds the calibrated score that each detector gave this part; None where none did."""
        evidence = [
            Evidence(item.detector, item.forgery, scores[item.detector], item.calibration_prior, item.weight)
            for item in self._evidence
            if item.detector in scores
        ]
        if not evidence:
            return None
        return self._fusion.fuse(tuple(dict.fromkeys(item.forgery for item in evidence)), evidence).score


def evidence_of(outcome: Outcome) -> Evidence | None:
    """What a scored outcome brings to the fusion."""
    if outcome.aggregated is None or outcome.deployed.card is None:
        return None
    manifest = outcome.deployed.manifest
    return Evidence(
        detector=manifest.name,
        forgery=manifest.forgery,
        score=outcome.aggregated.score,
        calibration_prior=outcome.deployed.card.calibration.prior,
        weight=manifest.weight,
    )


def forgeries_in_question(outcomes: Sequence[Outcome]) -> tuple[Forgery, ...]:
    """The forgeries that share the prior: this media can carry them, and there is a detector that knows this medium.

    One whose detector failed, or found only faces that cannot be judged, stays. One that no detector asked knows on
    this medium is in the same case as one without any detector: it has no share, and is listed as untested.
    """
    return tuple(dict.fromkeys(o.deployed.manifest.forgery for o in outcomes if not o.absent and not o.unmeasured))


def carried(outcomes: Sequence[Outcome], metadata: BundleMetadata) -> tuple[Forgery, ...]:
    """Every forgery, with a detector or without, that could be in this media for all that was seen of it."""
    missing = {outcome.missing for outcome in outcomes}
    kind = metadata.media.kind
    forgeries: list[Forgery] = []
    if kind != "audio":
        if "no_face" not in missing:
            forgeries += [f for f in _IN_FACES if kind == "video" or f != "reenactment"]
        forgeries.append("whole_image")
    looked_for_sound = any(isinstance(o.deployed.manifest.input, SoundSpec) for o in outcomes)
    silent = missing & {"no_audio", "no_speech"} if looked_for_sound else metadata.media.audio_codec is None
    if kind != "image" and not silent:
        forgeries.append("voice")
    return tuple(forgeries)
