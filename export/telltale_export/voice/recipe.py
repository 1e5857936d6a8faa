"""How a version of voice-vocoder is made, from labelled sounds to a folder in the model repository."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from telltale_contracts import Measurement, Provenance

from telltale_export.data import MediaItem, Split, read_dataset, split_by_group
from telltale_export.evaluation import ALL_FAMILIES, worst_family
from telltale_export.packaging import VersionDraft, next_version, require_writable, score_artifact, write_version
from telltale_export.voice.bank import fill_bank, treated_sounds
from telltale_export.voice.crossfit import Progress, Scorer, leave_source_out, score_sounds, source_folds
from telltale_export.voice.detector import manifest
from telltale_export.voice.discriminant import TrainingPlan, describe, fit_network
from telltale_export.voice.golden import GOLDEN_SOURCE, golden_inputs
from telltale_export.voice.measuring import calibrate, measure_new_sources, measure_test
from telltale_export.voice.network import VoiceNetwork
from telltale_export.voice.onnx_export import export_onnx

_NEAR_CHANCE = 0.6
_LIMITS = (
    """Knows English read aloud, one speaker at a time; music, song, several voices at once and other languages were \
never measured.""",
    """Sources that publish one class only (genuine LibriSpeech, forged Tortoise) are two channels as much as two \
classes: what is learned of Tortoise, which counts a fifth of another source, may be its channel, a generator that was \
never heard may be taken for genuine, and figures that mix these sources with others say little.""",
    """Its statistics and the weights of its fit were chosen by the same sources that are left out in turn, and how it \
takes bands without sound, and how much Tortoise counts, with the test groups in sight too, so those figures are \
somewhat too good.""",
    """Of a recording without sound above 4 kHz (telephone) it knows only what the lower bands tell: scores are nearer \
to 0.5 and wrong more often.""",
    "A segment with little speech is scored like any other; its score then says little.",
)


@dataclass(frozen=True)
class VoiceRun:
    """What the command line decides."""

    media: Path
    repository: Path
    plan: TrainingPlan = field(default_factory=TrainingPlan)

    def command(self) -> str:
        """The command that repeats it, without the folders of this machine."""
        return (
            "telltale-export train voice-vocoder --media MEDIA --to REPOSITORY "
            f"--rounds {self.plan.rounds} --seed {self.plan.seed}"
        )


def train_version(run: VoiceRun, progress: Progress) -> Path:
    """Train, calibrate, measure and publish; the new version's folder.

    Raises:
        DataError: the labels or media are not as documented.
        PackagingError: the version may not be published.
    """
    items = read_dataset(run.media).of("audio")
    require_writable(run.repository)
    split = split_by_group(items, seed=run.plan.seed)
    progress(split.description)
    rounds, seed = run.plan.rounds, run.plan.seed
    described = list(describe(treated_sounds(fill_bank(items), rounds, seed=seed + 1000)))
    progress(f"{sum(len(each.rows) for each in described)} segments of {len(described)} files, treated and untouched")
    test = {item.path for item in split.test}
    allowed = [index for index, item in enumerate(items) if item.path not in test]

    folds = source_folds(items, allowed)
    by_fold = leave_source_out(items, described, folds, run.plan, progress)
    what = "not of the test groups, untouched and re-encoded, scored by networks that never heard their source"
    calibration = calibrate(items, by_fold, set(allowed), what)

    progress(f"the version: {len(allowed)} files to learn from")
    network = fit_network(items, described, allowed, run.plan)
    with tempfile.TemporaryDirectory() as folder:
        artifact = export_onnx(network, Path(folder))
        tested = [each.sound for each in described if items[each.sound.item].path in test]
        scored = score_sounds(artifact_scorer(artifact.parent), tested)
        measured = measure_test(items, scored, calibration, rounds, seed)
        alike = measure_new_sources(items, by_fold, rounds, seed)
        draft = VersionDraft(
            provenance=_provenance(run, items, split, network),
            measured=measured,
            calibration=calibration,
            golden_inputs=golden_inputs(),
            golden_source=GOLDEN_SOURCE,
            trained_alike=alike,
            limits=(*_weaknesses((*measured, *alike)), *_LIMITS),
        )
        version = next_version(run.repository, manifest().name)
        return write_version(run.repository, manifest(), version, artifact, draft)


def artifact_scorer(version_dir: Path) -> Scorer:
    """A version's artefact as a function of segments."""
    return lambda waveforms: score_artifact(version_dir, manifest().tensors, waveforms)


def _weaknesses(measured: Sequence[Measurement]) -> tuple[str, ...]:
    lines = []
    for start, words in (("test groups", "On the test groups"), ("leave-one-source-out", "On a source left out")):
        mine = [m for m in measured if m.split.startswith(start) and m.auc is not None]
        worst = worst_family(mine)
        if worst is not None and worst.auc is not None:
            lines.append(
                f"{words} the worst family is {worst.family}: AUC {worst.auc.value:.2f} "
                f"[{worst.auc.low:.2f}, {worst.auc.high:.2f}], {worst.n_fake} forged and {worst.n_real} genuine "
                "treated files."
            )
        chance = [m.family for m in mine if m.family != ALL_FAMILIES and m.auc and m.auc.value < _NEAR_CHANCE]
        if chance:
            lines.append(f"{words} these families are near chance or below (AUC under 0.6): {', '.join(chance)}.")
    return tuple(lines)


def _provenance(run: VoiceRun, items: Sequence[MediaItem], split: Split, network: VoiceNetwork) -> Provenance:
    trained = (*split.training, *split.calibration)
    data = []
    for source in sorted({item.source for item in items}):
        mine = [item for item in trained if item.source == source]
        labels = Counter(item.label for item in mine)
        licences = ", ".join(sorted({item.licence for item in mine}))
        groups = len({item.group for item in mine})
        data.append(f"{source}: {labels['real']} genuine, {labels['fake']} forged, {groups} groups; {licences}")
    return Provenance(
        architecture="spectrograms in the graph (512/400/160, 1024/1024/256, 64/64/16); in each of 16 bands 17 "
        "statistics of the first's fine structure, 6 of the coherence of its phases, 9 of how the second repeats "
        "itself at the distance of harmonics and 13 of how the third's envelopes follow the glottis; 2 correlations "
        "of every two bands; those of bands without sound count as the mean; linear discriminant within sentences",
        framework=f"torch {torch.__version__}, exported to ONNX",
        parameters=network.parameters_fitted,
        initialised_from="nothing: the fit has a closed form",
        command=run.command(),
        seed=run.plan.seed,
        data=tuple(data),
        split=f"{split.description}. Trained on training and calibration groups; calibrated on the same groups by "
        "networks that never heard their source, so that the probability expects a new channel.",
        output_convention="sigmoid of the network's logit is P(fake); forged is class 1 from the start",
    )
