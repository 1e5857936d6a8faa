"""``evaluate``: what a served detector, or the whole of /predict, is worth on labelled media."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from telltale_export.cli import Commands, positive, probability
from telltale_export.data.options import add_dataset_options, dataset_of
from telltale_export.errors import DataError, ExportError
from telltale_export.served.options import add_server_options, asked_version

URL_VARIABLE = "TELLTALE_URL"

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telltale_export.data import Dataset, MediaItem
    from telltale_export.evaluation.report import Report
    from telltale_export.evaluation.subjects import Scores
    from telltale_export.evaluation.tandem import Verification


def register(commands: Commands) -> None:
    """Add ``evaluate``."""
    parser = commands.add("evaluate", None, "Measure a served detector or /predict on labelled media.", _evaluate)
    add_dataset_options(parser)
    parser.add_argument("--to", type=Path, required=True, help="folder for report.html, report.json and scores.json")
    parser.add_argument(
        "--only", choices=("training", "calibration", "test", "all"), help="which split; test where the data give any"
    )
    parser.add_argument("--detector", help="behind /predict; all live detectors, fused, when not given")
    parser.add_argument("--url", default=os.environ.get(URL_VARIABLE), help=f"the gateway's, or {URL_VARIABLE}")
    add_server_options(parser)
    parser.add_argument("--robustness", action="store_true", help="also through JPEG, H.264, mp3, noise, ...")
    parser.add_argument("--workers", type=positive, default=2, help="media under way at once (%(default)s)")
    parser.add_argument(
        "--threshold", type=probability, help="call fake what scores so much; the subject's own if not given"
    )
    parser.add_argument(
        "--asv", metavar="MISS,FA,SPOOFS", help="error rates of the speaker verification behind it, for min t-DCF"
    )
    parser.add_argument("--rounds", type=positive, default=1000, help="draws of the bootstrap (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")


def _evaluate(options: argparse.Namespace) -> None:
    from telltale_export.evaluation.report import report_of, write_report  # noqa: PLC0415 - heavy
    from telltale_export.evaluation.scoring import score_all  # noqa: PLC0415
    from telltale_export.evaluation.sheet import Sheet  # noqa: PLC0415

    asv = _verification(options.asv)
    dataset = dataset_of(options)
    chosen = chosen_items(dataset, options.only)
    options.to.mkdir(parents=True, exist_ok=True)
    for scores in _scores(options):
        items = [item for item in chosen if item.modality in scores.modalities]
        if not items:
            looks = " and ".join(scores.modalities)
            raise DataError(f"{scores.subject.name} looks at {looks}; {options.data} has none.", "Give other data.")
        files = score_all(scores, items, workers=options.workers, robustness=options.robustness)
        sheet = Sheet(
            subject=scores.subject,
            data=dataset.name,
            left_out=dataset.reasons(),
            warnings=warnings_about(dataset, items),
            files=files,
        )
        sheet.write(options.to / "scores.json")
        report = report_of(sheet, asv, rounds=options.rounds, seed=options.seed)
        write_report(report, sheet, options.to)
        _say(report, options.to)


def chosen_items(dataset: Dataset, only: str | None) -> list[MediaItem]:
    """The media of one split; where none is named, those for testing if the data set gives splits, otherwise all.

    Raises:
        DataError: there is none in that split, or none is named and the data set gives splits without one for testing.
    """
    given = {item.split for item in dataset.items} - {None}
    if only is None and given and "test" not in given:
        # What is for training or calibration may have been seen: measured on, it flatters.
        names = " and ".join(name for name in ("training", "calibration") if name in given)
        raise DataError(
            f"{dataset.place} gives splits, but none for testing: it has {names}.",
            f"Name one with --only ({names.replace(' and ', ' or ')}, or all), knowing what the detector has seen; "
            "or give --splits ignore if it has seen none of it.",
        )
    wanted = only or ("test" if given else "all")
    items = [item for item in dataset.items if wanted in ("all", item.split)]
    if not items:
        raise DataError(f"{dataset.place} has no media for {wanted}.", "Give --only another split, or all.")
    return items


def warnings_about(dataset: Dataset, items: list[MediaItem]) -> tuple[str, ...]:
    """What a reader of the figures must know of the media that are measured."""
    from telltale_export.data import groups_in_several_splits  # noqa: PLC0415

    said = []
    measured = {item.group for item in items}
    leaks = [group for group in groups_in_several_splits(dataset.items) if group in measured]
    if leaks:
        said.append(
            f"{len(leaks)} of {len(measured)} groups are in another split of the data set, too ({leaks[0]} is one): a "
            "version that was trained on that split has seen them."
        )
    if len({item.label for item in items}) == 1:
        said.append(f"All media are {items[0].label}: figures that need both classes are missing.")
    return tuple(said)


def _scores(options: argparse.Namespace) -> Iterator[Scores]:
    from telltale_export.evaluation.subjects import DetectorBehindPredict, VersionOnServer, WholePredict  # noqa: PLC0415
    from telltale_export.served.gateway import KEY_VARIABLE, Gateway  # noqa: PLC0415

    if options.version is not None:
        with asked_version(options) as version:
            yield VersionOnServer(version, options.threshold)
        return
    if options.url is None:
        raise ExportError(
            "Neither a gateway nor a version was named.",
            f"Give --url (or {URL_VARIABLE}), or --version with a preprocess-service and a model server.",
        )
    with Gateway(options.url, os.environ.get(KEY_VARIABLE)) as gateway:
        if options.detector is None:
            yield WholePredict(gateway, options.threshold)
        else:
            yield DetectorBehindPredict(gateway, options.detector, options.threshold)


def _verification(text: str | None) -> Verification:
    from telltale_export.evaluation.tandem import MinTandemCost, Verification  # noqa: PLC0415 - numpy

    if text is None:
        return Verification()
    try:
        miss, false_alarm, spoofs = (float(part) for part in text.split(","))
        asv = Verification(miss, false_alarm, spoofs)
        MinTandemCost(asv)
    except ValueError as error:
        raise ExportError(f"--asv {text}: {error}.", "Give three rates such as 0.025,0.025,0.3.") from error
    return asv


def _say(report: Report, folder: Path) -> None:
    from telltale_export.evaluation.report import interval_text  # noqa: PLC0415

    print(f"{report.subject.name} on {report.data}: {report.scored} files scored, {report.missing} missing")
    for warning in report.warnings:
        print(f"  note: {warning}")
    for each in report.reasons:
        print(f"  missing: {each.n_real + each.n_fake} x {each.code}, such as: {each.example}")
    for figure in report.figures:
        print(f"  {figure.name:18} {interval_text(figure.interval)}")
    for what, mean, rows, worst in (
        ("families", report.mean_family_auc, report.families, report.worst_family),
        ("sources", report.mean_source_auc, report.sources, report.worst_source),
    ):
        for row in rows:
            if row.name == worst:
                print(f"  mean AUC over {what} {mean:.3f}, the worst is {worst} with {interval_text(row.auc)}")
    print(f"written into {folder}: report.html, report.json, scores.json")
