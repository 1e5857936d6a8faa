"""The YAML documents of model-repository and the problem: read, written, and refused when they are wrong."""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from telltale_contracts import (
    Artifact,
    Calibration,
    DetectorManifest,
    Golden,
    Interval,
    LogSpectrogram,
    Measurement,
    Problem,
    Provenance,
    Rollout,
    RolloutEvent,
    TensorNames,
    TrafficShare,
    VersionCard,
    artifact_digest,
    artifact_files,
    read_yaml,
)

MANIFEST = DetectorManifest(
    name="voice-vocoder",
    description="Vocoded and synthetic speech.",
    forgery="voice",
    server="triton",
    input=LogSpectrogram(samples=64_000, rms_normalise=True),
    tensors=TensorNames(input="spectrogram", probability="probability"),
    max_batch=32,
)


def _card() -> VersionCard:
    speech = Measurement(
        medium="speech",
        family="all",
        split="speakers held out",
        n_real=100,
        n_fake=120,
        n_groups=9,
        unit="file",
        auc=Interval(value=0.8, low=0.7, high=0.9),
        eer=Interval(value=0.25, low=0.2, high=0.3),
    )
    genuine_only = speech.model_copy(update={"medium": "video", "auc": None, "eer": None, "n_fake": 0})
    return VersionCard(
        detector="voice-vocoder",
        version=3,
        created=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        artifact=Artifact(sha256="0" * 64, files={"model.onnx": "1" * 64}),
        provenance=Provenance(
            architecture="light CNN",
            framework="torch 2",
            parameters=100_000,
            initialised_from="noise",
            command="train",
            seed=7,
            data=("a corpus, CC BY 4.0",),
            split="by speaker",
            output_convention="sigmoid is P(fake)",
        ),
        measured=(speech, genuine_only),
        calibration=Calibration(slope=1.5, intercept=-0.5, prior=0.5, n=200, fitted_on="held-out speakers"),
        golden=Golden(scores=(0.25, 0.75), source="synthesis"),
    )


@pytest.mark.parametrize(
    "document",
    [MANIFEST, _card(), Rollout(live=3, canary=TrafficShare(version=4, percent=12.5), previous=2)],
    ids=lambda document: type(document).__name__,
)
def test_a_document_survives_yaml(document: DetectorManifest | VersionCard | Rollout, tmp_path: Path) -> None:
    path = tmp_path / "document.yaml"
    path.write_text(document.to_yaml(), encoding="utf-8")
    assert type(document).from_yaml(path) == document


def test_an_unknown_word_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "detector.yaml"
    path.write_text(MANIFEST.to_yaml() + "wieght: 2.0\n")
    with pytest.raises(ValidationError, match="wieght"):
        DetectorManifest.from_yaml(path)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "live: 0\n", "live: .nan\n", "live: 1\ncanary: {version: 2}\n"])
def test_a_rollout_that_says_nothing_sensible_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "rollout.yaml"
    path.write_text(text)
    with pytest.raises(ValidationError):
        Rollout.from_yaml(path)


@pytest.mark.parametrize("text", ["live: 1\nlive: 2\n", "{live: 1, candidates: [2], live: 3}"])
def test_a_key_that_stands_twice_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "rollout.yaml"
    path.write_text(text)
    with pytest.raises(yaml.YAMLError, match="'live' stands twice"):
        Rollout.from_yaml(path)


@pytest.mark.parametrize("text", ["{1: a, 0x1: b}", "yes: a\ntrue: b\n"])
def test_a_key_is_its_value_however_it_is_spelled(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="stands twice"):
        read_yaml(text)
    assert read_yaml("{1: a, '1': b}") == {1: "a", "1": "b"}


@pytest.mark.parametrize("text", ["a: 2020-99-99", f"a: {'9' * 6000}", "[" * 3000, "{a: " * 3000])
def test_what_the_reader_of_yaml_stumbles_over_is_no_yaml(text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        read_yaml(text)


def test_a_key_may_stand_in_two_mappings_and_anchors_may_be_merged() -> None:
    text = "a: &a {x: 1, y: 2}\nb: {<<: *a, x: 3}\n"
    assert read_yaml(text) == {"a": {"x": 1, "y": 2}, "b": {"x": 3, "y": 2}}


def test_yaml_cannot_make_objects(tmp_path: Path) -> None:
    path = tmp_path / "rollout.yaml"
    path.write_text("live: !!python/object/apply:os.getpid []\n")
    with pytest.raises(Exception, match="could not determine a constructor"):
        Rollout.from_yaml(path)


@pytest.mark.parametrize("name", ["", "Face", "a b", "../x", "-x", "x" * 64])
def test_a_detector_has_a_name_that_is_safe_in_a_path(name: str) -> None:
    with pytest.raises(ValidationError):
        DetectorManifest.model_validate({**MANIFEST.model_dump(), "name": name})


def test_documents_do_not_change_once_made() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        MANIFEST.weight = 3.0  # type: ignore[misc]


def test_served_versions_are_listed_once_and_in_order() -> None:
    share = TrafficShare(version=2, percent=5.0)
    assert Rollout(live=3).served() == (3,)
    assert Rollout(live=3, canary=share, shadow=share).served() == (2, 3)
    assert Rollout(live=1, previous=7).served() == (1,)


@pytest.mark.parametrize("percent", [0.0, -1.0, 100.5, math.nan])
def test_a_share_of_traffic_is_a_share(percent: float) -> None:
    with pytest.raises(ValidationError):
        TrafficShare(version=1, percent=percent)


def test_a_version_votes_only_where_both_classes_were_measured() -> None:
    card = _card()
    assert card.measured_on("speech")
    assert not card.measured_on("video")
    assert not card.measured_on("image")


def test_an_interval_is_not_upside_down() -> None:
    with pytest.raises(ValidationError, match="upside down"):
        Interval(value=0.5, low=0.6, high=0.4)


@pytest.mark.parametrize("raw", [0.01, 0.3, 0.5, 0.9])
def test_calibration_is_platt_scaling_of_the_logit(raw: float) -> None:
    calibration = Calibration(slope=1.5, intercept=-0.5, prior=0.5, n=10, fitted_on="x")
    odds = math.exp(-0.5) * (raw / (1 - raw)) ** 1.5
    assert calibration.apply(raw) == pytest.approx(odds / (1 + odds))


def test_calibration_stays_between_0_and_1_and_in_order() -> None:
    calibration = Calibration(slope=40.0, intercept=3.0, prior=0.5, n=10, fitted_on="x")
    scores = [calibration.apply(raw) for raw in (0.0, 1e-9, 0.2, 0.5, 0.8, 1.0)]
    assert scores == sorted(scores)
    assert all(0.0 <= score <= 1.0 for score in scores)


@pytest.mark.parametrize("wrong", [{"slope": 0.0}, {"slope": -1.0}, {"prior": 0.0}, {"prior": 1.0}])
def test_a_calibration_that_turns_or_flattens_scores_is_refused(wrong: dict[str, float]) -> None:
    good = {"slope": 1.0, "intercept": 0.0, "prior": 0.5, "n": 10, "fitted_on": "x"}
    with pytest.raises(ValidationError):
        Calibration.model_validate({**good, **wrong})


def test_a_version_that_was_not_calibrated_says_so_and_does_not_vote() -> None:
    card = _card()
    unfitted = Calibration.none()
    assert [unfitted.apply(raw) for raw in (0.1, 0.5, 0.9)] == pytest.approx([0.1, 0.5, 0.9])
    assert card.model_copy(update={"calibration": unfitted, "measured": ()}).measured_on("speech") is False
    with pytest.raises(ValidationError, match="needs a calibration"):
        VersionCard.model_validate({**card.model_dump(), "calibration": unfitted.model_dump()})


@pytest.mark.parametrize("wrong", [{"n": 0}, {"method": "none"}, {"method": "none", "n": 0, "slope": 2.0}])
def test_a_calibration_is_fitted_or_none(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Calibration.model_validate({"slope": 1.0, "intercept": 0.0, "prior": 0.5, "n": 10, "fitted_on": "x", **wrong})


def test_the_digest_covers_every_file_but_the_card(tmp_path: Path) -> None:
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"graph")
    (tmp_path / "variables/variables.index").write_bytes(b"index")
    (tmp_path / "card.yaml").write_text("detector: x")
    files = artifact_files(tmp_path)
    assert files == {
        "saved_model.pb": hashlib.sha256(b"graph").hexdigest(),
        "variables/variables.index": hashlib.sha256(b"index").hexdigest(),
    }
    before = artifact_digest(files)
    (tmp_path / "card.yaml").write_text("detector: y")
    assert artifact_digest(artifact_files(tmp_path)) == before
    (tmp_path / "variables/variables.index").write_bytes(b"indeX")
    assert artifact_digest(artifact_files(tmp_path)) != before


def test_the_digest_is_that_of_the_sha256sum_listing_whatever_the_order() -> None:
    listing = b"bb  a\naa  b/c\n"
    assert artifact_digest({"b/c": "aa", "a": "bb"}) == hashlib.sha256(listing).hexdigest()


def test_a_problem_has_the_members_of_rfc_9457() -> None:
    problem = Problem(
        type="about:blank", title="Too large", status=413, detail="101 MB", code="too_large", hint="Send less."
    )
    assert problem.model_dump().keys() >= {"type", "title", "status", "detail", "code", "hint", "request_id"}
    assert Problem.MEDIA_TYPE == "application/problem+json"
    assert Problem.model_validate_json(problem.model_dump_json()) == problem


def test_a_line_of_history_survives_json() -> None:
    event = RolloutEvent(at=datetime(2026, 1, 1, tzinfo=UTC), who="ops", action="promote", version=4, why="better")
    line = event.model_dump_json()
    assert "\n" not in line
    assert RolloutEvent.model_validate_json(line) == event
