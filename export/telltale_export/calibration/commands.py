"""``calibrate``: make a version's probabilities and its threshold true on somebody's own media."""

from __future__ import annotations

import argparse
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from telltale_export.calibration.fitting import METHODS
from telltale_export.cli import Commands, positive
from telltale_export.data.options import add_dataset_options, dataset_of
from telltale_export.served.options import add_server_options, asked_version

if TYPE_CHECKING:
    from telltale_contracts import Calibration

    from telltale_export.calibration.held_out import Calibrated, OperatingPoint
    from telltale_export.data import MediaItem
    from telltale_export.served.media import ScoredMedium
    from telltale_export.served.options import AskedVersion


def register(commands: Commands) -> None:
    """Add ``calibrate``."""
    parser = commands.add("calibrate", None, "Calibrate a version on held-out media and publish it anew.", _calibrate)
    add_dataset_options(parser)
    add_server_options(parser, required=True)
    parser.add_argument("--method", choices=METHODS, default="platt", help="what is fitted (%(default)s)")
    parser.add_argument(
        "--operating-point",
        default="eer",
        metavar="eer|fpr=X",
        type=_operating_point,
        help="where a score becomes fake: both errors equal, or so many false alarms (%(default)s)",
    )
    parser.add_argument("--seed", type=int, default=0, help="divides the groups where the data set does not")
    parser.add_argument("--workers", type=positive, default=2, help="media under way at once (%(default)s)")
    parser.add_argument("--dry-run", action="store_true", help="say what would be written, and write nothing")


def _calibrate(options: argparse.Namespace) -> None:
    from telltale_export.calibration.held_out import calibrate_and_measure, held_out_split  # noqa: PLC0415 - heavy
    from telltale_export.data import require_both_classes  # noqa: PLC0415
    from telltale_export.evaluation import table  # noqa: PLC0415
    from telltale_export.evaluation.subjects import modalities_of  # noqa: PLC0415
    from telltale_export.packaging.carried import carried_over  # noqa: PLC0415
    from telltale_export.packaging.successor import publish_recalibrated  # noqa: PLC0415

    dataset = dataset_of(options)
    with asked_version(options) as version:
        items = dataset.of(*modalities_of(version.manifest))
        split = held_out_split(items, options.seed)
        for name, part in (("calibration", split.calibration), ("test", split.test)):
            require_both_classes(part, f"What is for {name}")
        print(split.description)
        scored = _score(version, [*split.calibration, *split.test], options.workers)
    found = calibrate_and_measure(
        scored,
        version.manifest,
        options.seed,
        split=split,
        method=options.method,
        operating_point=_chooser(options.operating_point),
        what=f" of {dataset.name}, the network being version {version.card.version}'s",
    )
    _compare(found, version, version.card.calibration)
    print(table(found.measured))
    for line in carried_over(version.card, found.measured).said:
        print(f"  note: {line}")
    if options.dry_run:
        return
    folder = publish_recalibrated(
        version.folder,
        version.manifest,
        version.card,
        calibration=found.calibration,
        threshold=found.threshold,
        measured=found.measured,
    )
    print(f"published as {folder}; version {version.card.version} is unchanged")


def _score(version: AskedVersion, items: list[MediaItem], workers: int) -> list[ScoredMedium]:
    from telltale_export.progress import shown  # noqa: PLC0415
    from telltale_export.served.media import ScoredMedium, Unseen, raw_scores  # noqa: PLC0415

    ask = partial(raw_scores, version.viewer, version.score)
    with ThreadPoolExecutor(workers) as pool:
        answers = list(shown(pool.map(ask, items), len(items), "scoring"))
    unseen = [each for each in answers if isinstance(each, Unseen)]
    for code, count in Counter(each.code for each in unseen).most_common():
        example = next(each for each in unseen if each.code == code)
        print(f"  left out: {count} x {code}, such as {example.item.path.name}: {example.reason}")
    return [each for each in answers if isinstance(each, ScoredMedium)]


def _compare(found: Calibrated, version: AskedVersion, old: Calibration) -> None:
    import numpy as np  # noqa: PLC0415

    from telltale_export.calibration.held_out import file_scores  # noqa: PLC0415
    from telltale_export.evaluation.decisions import brier_score, expected_calibration_error  # noqa: PLC0415

    fake = np.array([each.item.fake for each in found.tested], np.bool_)
    counts = np.bincount(fake, minlength=2)
    weights = 1.0 / counts[fake.astype(int)]
    print(f"on {len(fake)} test files, both classes alike:   Brier   ECE")
    for name, calibration in (("before", old), ("after", found.calibration)):
        scores = file_scores(found.tested, version.manifest, calibration)
        errors = brier_score(scores, fake, weights), expected_calibration_error(scores, fake, weights)
        print(f"  {name:6} {calibration.method:12}                  {errors[0]:.3f}   {errors[1]:.3f}")
    print(f"threshold {version.card.threshold:.4f} before, {found.threshold:.4f} after")


def _operating_point(text: str) -> str | float:
    if text == "eer":
        return text
    try:
        rate = float(text.removeprefix("fpr="))
    except ValueError:
        rate = 0.0
    if not text.startswith("fpr=") or not 0.0 < rate < 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is neither eer nor fpr=X with X between 0 and 1")
    return rate


def _chooser(point: str | float) -> OperatingPoint:
    from telltale_export.calibration.operating_points import at_equal_errors, at_false_alarm_rate  # noqa: PLC0415

    return at_equal_errors if isinstance(point, str) else partial(at_false_alarm_rate, point)
