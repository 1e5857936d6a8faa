"""``fusion compare``: the gateway's rule beside averaging, voting and what can be fitted."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from telltale_contracts import Forgery

from telltale_export.cli import Commands, positive

if TYPE_CHECKING:
    from telltale_export.fusion.compare import Compared
    from telltale_export.fusion.rules import RivalForgeries


def register(commands: Commands) -> None:
    """Add ``fusion compare``."""
    parser = commands.add(
        "fusion", "compare", "Compare ways to fuse what the detectors say, on the same media.", _compare
    )
    parser.add_argument("--scores", type=Path, required=True, help="scores.json of `evaluate` over /predict")
    parser.add_argument("--prior-fake", type=_probability, default=0.5, help="the gateway's (%(default)s)")
    parser.add_argument(
        "--share", type=_share, action="append", default=[], metavar="FORGERY=X", help="of the prior; 1 of each if not"
    )
    parser.add_argument("--threshold", type=_probability, default=0.5, help="of the word fake (%(default)s)")
    parser.add_argument(
        "--target-error", type=_probability, default=0.05, help="wanted error rate of the answers (%(default)s)"
    )
    parser.add_argument("--rounds", type=positive, default=1000, help="draws of the bootstrap (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws and the folds")


def _compare(options: argparse.Namespace) -> None:
    from telltale_export.evaluation.sheet import read_sheet  # noqa: PLC0415 - heavy
    from telltale_export.fusion.compare import Terms, against_best, compare  # noqa: PLC0415
    from telltale_export.fusion.evidence import evidence_of  # noqa: PLC0415
    from telltale_export.fusion.rules import fit_rivals  # noqa: PLC0415

    sheet = read_sheet(options.scores)
    evidence = evidence_of(sheet)
    terms = Terms(
        prior_fake=options.prior_fake,
        shares=dict(options.share),
        threshold=options.threshold,
        target=options.target_error,
        rounds=options.rounds,
        seed=options.seed,
    )
    files, fakes, missing = len(evidence.fake), int(evidence.fake.sum()), sum(f.score is None for f in sheet.of())
    print(f"{files} files of {sheet.data} ({fakes} fake), {missing} without any score; what is fitted is cross-fitted")
    print("risk (wrong among the answered) and answered: both classes weighed alike, whatever the share of fakes here")
    rules = compare(evidence, terms)
    print(_table(rules, terms.target))
    edge = against_best(rules, evidence, terms)
    print(
        f"rival forgeries against the best detector alone, {edge.detector}: AUC {edge.difference.value:+.3f} "
        f"({edge.difference.low:+.3f} to {edge.difference.high:+.3f}), on the same draws"
    )
    print(_fitted(fit_rivals(evidence, terms.prior_fake), evidence.detectors))


def _table(rules: list[Compared], target: float) -> str:
    from telltale_export.evaluation.report import interval_text  # noqa: PLC0415

    columns = ("AUC", "EER", "accuracy", "Brier")
    head = "".join(f"{column:22}" for column in (*columns, f"risk, {target:g} wanted", "answered"))
    lines = [f"{'':30}{head}uncertain"]
    for rule in rules:
        intervals = [*(rule.figures[column] for column in columns), rule.band.risk, rule.band.coverage]
        cells = "".join(f"{interval_text(interval, 2):22}" for interval in intervals)
        band = "no band is enough" if rule.band.band is None else "{:.3f} to {:.3f}".format(*rule.band.band)
        lines.append(f"{rule.name:30}{cells}{band}")
    return "\n".join(lines)


def _fitted(rivals: RivalForgeries, detectors: tuple[str, ...]) -> str:
    """What was fitted, on all files, as it would be set."""
    total = sum(rivals.shares.values())
    shares = json.dumps({forgery: round(share / total, 3) for forgery, share in rivals.shares.items()})
    weights = [] if rivals.weights is None else rivals.weights.tolist()
    named = ", ".join(f"{name} {weight:.3g}" for name, weight in zip(detectors, weights, strict=True))
    return f"fitted on all files: TELLTALE_FUSION__SHARES='{shares}'; `weight` in detector.yaml: {named}"


def _probability(text: str) -> float:
    value = float(text)
    if not 0.0 < value < 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _share(text: str) -> tuple[Forgery, float]:
    name, _, value = text.partition("=")
    forgery = next((known for known in get_args(Forgery) if known == name), None)
    if forgery is None or not value.replace(".", "", 1).isdigit() or float(value) <= 0:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not one of {', '.join(get_args(Forgery))}, = and a number over 0"
        )
    return forgery, float(value)
