"""What is committed in model-repository is what its cards say, and the servers can load it."""

from __future__ import annotations

from pathlib import Path

import pytest
from telltale_contracts import DetectorManifest, Rollout, RolloutEvent, VersionCard
from telltale_export.evaluation import worst_family
from telltale_export.packaging import check_version

ROOT = Path(__file__).parents[2]
REPOSITORY = ROOT / "model-repository"
CARDS = sorted(REPOSITORY.glob("*/*/card.yaml"))
LARGEST = 15_000_000


@pytest.fixture(params=CARDS, ids=lambda path: f"{path.parts[-3]}:{path.parts[-2]}")
def version(request: pytest.FixtureRequest) -> Path:
    """The folder of each committed version in turn."""
    folder: Path = request.param.parent
    return folder


def test_there_are_versions() -> None:
    assert CARDS
    assert {path.parts[-3] for path in CARDS} == {path.parent.name for path in REPOSITORY.glob("*/detector.yaml")}


def test_files_and_golden_scores_are_those_of_the_card(version: Path) -> None:
    manifest = DetectorManifest.from_yaml(version.parent / "detector.yaml")
    report = check_version(version, manifest)

    card = VersionCard.from_yaml(version / "card.yaml")
    assert report.golden_difference <= card.golden.tolerance
    assert (card.detector, card.version) == (version.parent.name, int(version.name)) == (manifest.name, report.version)


def test_a_card_is_complete(version: Path) -> None:
    card = VersionCard.from_yaml(version / "card.yaml")

    assert any(m.family == "all" and m.auc is not None and m.eer is not None for m in card.measured)
    worst = worst_family(card.measured)
    assert worst is not None
    assert card.limits
    assert len(set(card.golden.scores)) > 1, "golden inputs that all score alike would not notice a wrong graph"
    assert sum(path.stat().st_size for path in version.rglob("*") if path.is_file()) < LARGEST
    text = (version / "card.yaml").read_text()
    assert "/tmp" not in text


def test_a_detector_is_complete(version: Path) -> None:
    home = version.parent
    manifest = DetectorManifest.from_yaml(home / "detector.yaml")
    live = Rollout.from_yaml(home / "rollout.yaml").live

    assert manifest.name == home.name
    assert (home / str(live) / "card.yaml").is_file()
    assert (home / "config.pbtxt").is_file() == (manifest.server == "triton")
    events = [RolloutEvent.model_validate_json(line) for line in (home / "history.jsonl").read_text().splitlines()]
    assert any(event.version == live for event in events)
