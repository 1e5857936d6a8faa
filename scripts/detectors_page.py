"""Write docs/detectors.md, and the table of detectors in README.md, from the cards in model-repository.

Nothing on these pages is typed by hand, so that they cannot say what a card does not. Run it with
.venvs/services/bin/python after a version has become live; `--check` only says whether the pages are current.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from _steps import SetupError, main_or_message, say
from telltale_contracts import CARD_FILE, DetectorManifest, Interval, Measurement, Rollout, VersionCard

HOUSE = Path(__file__).resolve().parent.parent
_ALL = "all"
_ALIKE = "networks trained alike"
BEGIN, END = "<!-- detectors: written by scripts/detectors_page.py -->\n", "<!-- /detectors -->\n"


@dataclass(frozen=True)
class Detector:
    """A detector and its live version."""

    manifest: DetectorManifest
    card: VersionCard


def read_detectors(repository: Path) -> list[Detector]:
    """Every detector of `repository`, by name."""
    found = []
    for path in sorted(repository.glob("*/detector.yaml")):
        live = Rollout.from_yaml(path.with_name("rollout.yaml")).live
        card = VersionCard.from_yaml(path.parent / str(live) / CARD_FILE)
        found.append(Detector(DetectorManifest.from_yaml(path), card))
    return found


def summary(detectors: list[Detector]) -> str:
    """The table for README.md: each detector's live version, and what it was measured to be worth."""
    rows = ["| detector | tests for | on | held out | genuine / forged | AUC | EER |", "|---|---|---|---|---|---|---|"]
    for detector in detectors:
        manifest, card = detector.manifest, detector.card
        who = (f"`{manifest.name}` {card.version} ({manifest.server})", _words(manifest.forgery))
        told = [*_worth_telling(card.measured), *_worth_telling(card.trained_alike)]
        for m in told:
            size = f"{m.n_real} / {m.n_fake} in {m.n_groups} groups"
            split = (f"{m.family}: " if m.family != _ALL else "") + m.split
            split += f"; {_ALIKE}" if m in card.trained_alike else ""
            rows.append(_row(*who, m.medium, split, size, _interval(m.auc), _interval(m.eer)))
        if not told:
            rows.append(_row(*who, "-", "nothing yet", "-", "-", "-"))
    return "\n".join(rows) + "\n"


def _worth_telling(measured: tuple[Measurement, ...]) -> Iterator[Measurement]:
    """Every whole set, and of each medium the family that is told worst."""
    rated = [(m, m.auc.value) for m in measured if m.auc is not None]
    yield from (m for m, _ in rated if m.family == _ALL)
    for medium in sorted({m.medium for m, _ in rated}):
        families = [(auc, place) for place, (m, auc) in enumerate(rated) if m.family != _ALL and m.medium == medium]
        if families:
            yield rated[min(families)[1]][0]


def page(detectors: list[Detector]) -> str:
    """docs/detectors.md: everything that the cards of the live versions say."""
    head = (
        "# Detectors\n\n"
        "Written from the cards in `model-repository` by `scripts/detectors_page.py`. Intervals are 95 % bootstrap "
        "intervals over groups. No group that a version was trained or calibrated on is in a figure; rows marked as of "
        "networks trained alike are of other networks, which have not seen the source that they are measured on. What "
        "is left of it after JPEG, scaling, blur, codecs and noise is in [robustness.md](robustness.md).\n"
    )
    return "\n".join([head, *("\n".join(_section(detector)) + "\n" for detector in detectors)])


def _section(detector: Detector) -> Iterator[str]:
    manifest, card = detector.manifest, detector.card
    made = card.provenance
    yield f"## {manifest.name}, version {card.version}\n"
    yield f"{manifest.description}\n"
    yield f"- tests for: {_words(manifest.forgery)}; served by {manifest.server}"
    yield f"- looks at: `{manifest.input.key().rpartition('-')[0]}`, at most {manifest.max_batch} items in one call"
    yield f"- architecture: {made.architecture}, {made.parameters:,} parameters; began from {made.initialised_from}"
    yield from (f"- trained on: {source}" for source in made.data)
    yield f"- split: {made.split}"
    yield f"- made by: `{made.command}` (seed {made.seed})"
    yield f"- published: {card.created:%Y-%m-%d}; sha256: `{card.artifact.sha256}`"
    yield from (f"- does not vote on {medium}: {why}" for medium, why in card.excluded.items())
    yield from (f"- limit: {limit}" for limit in card.limits)
    yield "\n| medium | family | held out | n | AUC | EER | false alarms |\n|---|---|---|---|---|---|---|"
    for m in (*card.measured, *card.trained_alike):
        rates = (_interval(m.auc), _interval(m.eer), _interval(m.false_alarm_rate))
        yield _row(m.medium, m.family, _held_out(m, card), _counts(m), *rates)


def _held_out(m: Measurement, card: VersionCard) -> str:
    return "; ".join([m.split, *([_ALIKE] if m in card.trained_alike else []), *([m.note] if m.note else [])])


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _words(forgery: str) -> str:
    return forgery.replace("_", " ")


def _counts(measured: Measurement) -> str:
    return f"{measured.n_real} genuine, {measured.n_fake} forged, {measured.n_groups} groups, by {measured.unit}"


def _interval(interval: Interval | None) -> str:
    return "-" if interval is None else f"{interval.value:.2f} ({interval.low:.2f} to {interval.high:.2f})"


def pages(house: Path) -> dict[Path, str]:
    """What README.md and docs/detectors.md must contain.

    Raises:
        SetupError: README.md has lost the two marks between which the table stands.
    """
    detectors = read_detectors(house / "model-repository")
    readme = house / "README.md"
    before, begin, rest = readme.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SetupError(f"README.md needs the lines {BEGIN.strip()} and {END.strip()} around the table")
    return {readme: f"{before}{BEGIN}{summary(detectors)}{END}{after}", house / "docs/detectors.md": page(detectors)}


def main() -> None:
    """Write the pages, or say which is not current."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page is not current")
    options = parser.parse_args()
    stale = [path for path, text in pages(HOUSE).items() if not path.exists() or path.read_text() != text]
    if options.check and stale:
        names = ", ".join(str(path.relative_to(HOUSE)) for path in stale)
        raise SetupError(f"{names}: not what the cards say. Run: .venvs/services/bin/python scripts/detectors_page.py")
    for path in stale:
        path.write_text(pages(HOUSE)[path])
        say(f"wrote {path.relative_to(HOUSE)}")


if __name__ == "__main__":
    main_or_message(main)
