"""From scores to the report: every figure with its interval, as JSON and as one page that needs nothing beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict
from telltale_contracts import Interval

from telltale_export.errors import DataError
from telltale_export.evaluation.breakdown import (
    Draws,
    Row,
    family_rows,
    mean_auc,
    medium_rows,
    source_rows,
    treatment_rows,
    worst,
)
from telltale_export.evaluation.decisions import (
    at_threshold,
    brier_score,
    brier_score_at_even_odds,
    calibration_error_at_even_odds,
    expected_calibration_error,
)
from telltale_export.evaluation.metrics import (
    FEW_GROUPS,
    Metric,
    area_under_roc,
    average_precision,
    bootstrap_intervals,
    equal_error_rate,
    false_alarms_at_95,
    share_interval,
)
from telltale_export.evaluation.sheet import FileScore, Sheet, Subject, scored_set
from telltale_export.evaluation.tandem import MinTandemCost, Verification
from telltale_export.files import write_whole

TEMPLATE = "report.html.j2"


class Figure(BaseModel):
    """One figure of the whole set; ``note`` says what it is, in words for the page."""

    model_config = ConfigDict(frozen=True)

    name: str
    interval: Interval | None
    note: str


class Missing(BaseModel):
    """How many files have no score for one reason, and how many of them are fakes."""

    model_config = ConfigDict(frozen=True)

    code: str
    n_real: int
    n_fake: int
    example: str


class Report(BaseModel):
    """What is known of the subject on these data."""

    model_config = ConfigDict(frozen=True)

    subject: Subject
    data: str
    made: datetime
    scored: int
    missing: int
    left_out: dict[str, int]
    warnings: tuple[str, ...]
    reasons: tuple[Missing, ...]
    figures: tuple[Figure, ...]
    media: tuple[Row, ...]
    families: tuple[Row, ...]
    sources: tuple[Row, ...]
    robustness: tuple[Row, ...]
    mean_family_auc: float | None
    worst_family: str | None
    mean_source_auc: float | None
    worst_source: str | None
    rounds: int
    seed: int


def report_of(sheet: Sheet, asv: Verification, *, rounds: int = 1000, seed: int = 0) -> Report:
    """Every figure of a sheet; those that need both classes are left out where there is one only.

    Args:
        sheet: the scores.
        asv: what stands behind a detector of speech, for min t-DCF.
        rounds: draws of the bootstrap.
        seed: of the draws.

    Raises:
        DataError: not one file has a score.
    """
    files = sheet.of()
    if all(each.score is None for each in files):
        reasons = ", ".join(f"{count} x {code}" for code, count in Counter(each.missing for each in files).items())
        raise DataError(f"None of {len(files)} files has a score ({reasons}).", "Give media that it looks at.")
    draws = Draws(sheet.subject.threshold, rounds, seed)
    families, sources = family_rows(files, draws), source_rows(files, draws)
    worst_family, worst_source = worst(families), worst(sources)
    return Report(
        subject=sheet.subject,
        data=sheet.data,
        made=datetime.now(UTC).replace(microsecond=0),
        scored=sum(each.score is not None for each in files),
        missing=sum(each.score is None for each in files),
        left_out=sheet.left_out,
        warnings=(*sheet.warnings, *_few_groups(files)),
        reasons=_reasons(files),
        figures=_figures(files, sheet.subject, asv, draws),
        media=medium_rows(files, draws),
        families=families,
        sources=sources,
        robustness=treatment_rows(sheet.files, draws),
        mean_family_auc=mean_auc(families),
        worst_family=worst_family.name if worst_family else None,
        mean_source_auc=mean_auc(sources),
        worst_source=worst_source.name if worst_source else None,
        rounds=rounds,
        seed=seed,
    )


def write_report(report: Report, sheet: Sheet, folder: Path) -> None:
    """Write report.json and report.html into a folder, each by one rename."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415

    from telltale_export.evaluation.pictures import pictures_of  # noqa: PLC0415 - matplotlib takes a second

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"interval": interval_text, "short": lambda value: interval_text(value, 2)}
    missing = [each for each in sheet.of() if each.score is None]
    page = environment.get_template(TEMPLATE).render(
        report=report, pictures=pictures_of(sheet), missing=missing, few_groups=FEW_GROUPS
    )
    write_whole(folder / "report.json", report.model_dump_json(indent=1).encode())
    write_whole(folder / "report.html", page.encode())


def interval_text(interval: Interval | None, digits: int = 3) -> str:
    """``0.91 (0.88 to 0.94)`` with two digits; a dash where there is none."""
    if interval is None:
        return "-"
    value, low, high = (f"{number:.{digits}f}" for number in (interval.value, interval.low, interval.high))
    return f"{value} ({low} to {high})"


def _few_groups(files: Sequence[FileScore]) -> Iterator[str]:
    scored = scored_set(files)
    for label, of in (("genuine", ~scored.fake), ("fake", scored.fake)):
        groups = len(np.unique(scored.groups[of]))
        if 0 < groups < FEW_GROUPS:
            yield (
                f"The {label} media are of {groups} groups: with fewer than {FEW_GROUPS} of a class, intervals are too "
                "narrow."
            )


def _figures(files: Sequence[FileScore], subject: Subject, asv: Verification, draws: Draws) -> tuple[Figure, ...]:
    scored = scored_set(files)
    figures: list[Figure] = []
    if scored.fake.any() and not scored.fake.all():
        metrics, notes = _metrics(subject.threshold, asv if {each.modality for each in files} == {"audio"} else None)
        arrays = (scored.scores, scored.fake, scored.groups)
        shares = ("accuracy", "precision", "recall")
        found = bootstrap_intervals(metrics, *arrays, rounds=draws.rounds, seed=draws.seed, shares=shares)
        figures += [Figure(name=name, interval=found[name], note=notes[name]) for name in metrics]
    called = scored.scores >= subject.threshold
    for name, of in (("false alarms", ~scored.fake), ("fakes found", scored.fake)):
        interval = share_interval(called[of], scored.groups[of], rounds=draws.rounds, seed=draws.seed)
        whose = "genuine" if name == "false alarms" else "fake"
        note = f"share of {whose} media at or over {subject.threshold:g}"
        figures.append(Figure(name=name, interval=interval, note=note))
    figures += _answers(files, draws)
    return tuple(figures)


def _metrics(threshold: float, asv: Verification | None) -> tuple[Mapping[str, Metric], Mapping[str, str]]:
    at = f"calling fake what scores {threshold:g} or more"
    described: dict[str, tuple[Metric, str]] = {
        "AUC": (area_under_roc, "chance that a fake scores above a genuine medium"),
        "EER": (equal_error_rate, "where false alarms and misses are equally frequent"),
        "average precision": (average_precision, "over all thresholds; depends on the share of fakes"),
        "FPR at 95 % TPR": (false_alarms_at_95, "false alarms when 95 % of the fakes are found"),
        "Brier score": (brier_score, "mean square of score minus outcome; always answering 0.5 gives 0.25"),
        "ECE": (expected_calibration_error, "distance of promised and true share of fakes, over ten bins"),
        "Brier score, even odds": (brier_score_at_even_odds, "as with as many fakes as genuine media"),
        "ECE, even odds": (calibration_error_at_even_odds, "as with as many fakes as genuine media"),
    }
    described |= {name: (metric, at) for name, metric in at_threshold(threshold).items()}
    if asv is not None:
        described["min t-DCF"] = (MinTandemCost(asv), f"Kinnunen 2020, normalised; {asv.said()}")
    return {name: metric for name, (metric, _) in described.items()}, {n: note for n, (_, note) in described.items()}


def _answers(files: Sequence[FileScore], draws: Draws) -> list[Figure]:
    """How often the verdict is a word, and how often that word is wrong; nothing where there are no words."""
    said = [each for each in files if each.word is not None]
    if not said:
        return []
    answered = np.array([each.word != "uncertain" for each in said], np.bool_)
    groups = np.array([each.group for each in said], np.str_)
    wrong = np.array([each.word != each.label for each in said], np.bool_)
    kwargs = {"rounds": draws.rounds, "seed": draws.seed}
    return [
        Figure(name="answered", interval=share_interval(answered, groups, **kwargs), note="verdicts not 'uncertain'"),
        Figure(
            name="selective risk",
            interval=share_interval(wrong[answered], groups[answered], **kwargs),
            note="wrong among the verdicts that are not 'uncertain'",
        ),
    ]


def _reasons(files: Sequence[FileScore]) -> tuple[Missing, ...]:
    without = [each for each in files if each.score is None]
    return tuple(
        Missing(
            code=str(code),
            n_real=sum(each.missing == code and not each.fake for each in without),
            n_fake=sum(each.missing == code and each.fake for each in without),
            example=next(each.reason or "" for each in without if each.missing == code),
        )
        for code, _ in Counter(each.missing for each in without).most_common()
    )
