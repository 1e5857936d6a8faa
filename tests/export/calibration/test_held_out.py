"""A version is calibrated on some groups and measured on others, item by item as the gateway would."""

from __future__ import annotations

import shutil
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from telltale_contracts import Aggregation, Calibration, Interval, Measurement, Medium
from telltale_export.architectures import find_architecture
from telltale_export.calibration import METHODS, Method, apply_calibration
from telltale_export.calibration.held_out import calibrate_and_measure
from telltale_export.conversion.manifests import manifest_of
from telltale_export.data import Label, MediaItem
from telltale_export.errors import DataError
from telltale_export.packaging import check_version
from telltale_export.packaging.carried import FOREIGN_MEASURED, FOREIGN_UNMEASURED, carried_over
from telltale_export.packaging.successor import publish_recalibrated
from telltale_export.served.media import ScoredMedium, file_score, media_of, see_media
from telltale_export.served.version import read_version

MANIFEST = manifest_of(find_architecture("meso4"), "meso4", "tfserving")
RAW = Calibration.none()


def _scored(label: Label, raw: list[float], group: str = "g", track: list[int] | None = None) -> ScoredMedium:
    item = MediaItem(Path(f"{group}-{label}.png"), "image", label, "family", "source", group, "none")
    tracks = np.array(track or [0] * len(raw), np.int32)
    return ScoredMedium(item, "image", np.array(raw, np.float32), tracks)


def _many(gap: float, groups: int = 24) -> list[ScoredMedium]:
    random = np.random.default_rng(0)
    scored = []
    for group in range(groups):
        for label, shift in (("real", -gap), ("fake", gap)):
            odds: NDArray[np.float64] = random.normal(shift, 1.0, 3)
            raw = (1.0 / (1.0 + np.exp(-odds))).tolist()
            scored.append(_scored("real" if label == "real" else "fake", raw, f"g{group}"))
    return scored


def test_one_forged_face_is_enough() -> None:
    scored = _scored("fake", [0.1, 0.1, 0.9, 0.9], track=[0, 0, 1, 1])

    assert file_score(scored, MANIFEST, RAW) == pytest.approx(0.9)


def test_items_of_a_track_are_joined_as_the_manifest_says() -> None:
    scored = _scored("fake", [0.5, 0.5, 0.5, 0.9])
    top = MANIFEST.model_copy(update={"aggregation": Aggregation(items="top_mean_log_odds", top_share=0.25)})

    assert file_score(scored, top, RAW) == pytest.approx(0.9)
    assert file_score(scored, MANIFEST, RAW) == pytest.approx(1.0 / (1.0 + 9.0**-0.25))


def test_what_was_calibrated_on_is_not_measured_on() -> None:
    found = calibrate_and_measure(_many(gap=1.5), MANIFEST)
    calibration, measured = found.calibration, found.measured

    assert (calibration.method, calibration.prior) == ("platt", pytest.approx(0.5))
    assert "8 groups" in measured[0].split
    assert measured[0].n_groups < 24
    assert measured[0].auc is not None
    assert measured[0].auc.value > 0.9
    assert {entry.medium for entry in measured} == {"image"}


@pytest.mark.parametrize("method", METHODS)
def test_more_of_the_same_items_prove_nothing(method: Method) -> None:
    once = [_scored(each.item.label, each.raw[:1].tolist(), each.item.group) for each in _many(gap=2.0)]
    often = [replace(each, raw=each.raw.repeat(50), track=each.track.repeat(50)) for each in once]
    one, many = (calibrate_and_measure(scored, MANIFEST, method=method).calibration for scored in (once, often))

    raw = np.linspace(0.0, 1.0, 11)
    assert apply_calibration(many, raw) == pytest.approx(apply_calibration(one, raw), abs=1e-3)


@pytest.mark.parametrize(
    ("scored", "message"),
    [
        ([], "In none of the media"),
        (_many(gap=-1.5), "score no higher than genuine"),
        ([each for each in _many(gap=1.0) if each.item.fake], "one class only"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(scored: list[ScoredMedium], message: str) -> None:
    with pytest.raises(DataError, match=message):
        calibrate_and_measure(scored, MANIFEST)


def test_media_follow_from_the_input() -> None:
    assert media_of(MANIFEST) == ("image", "video")
    assert media_of(manifest_of(find_architecture("aasist"), "aasist", "triton")) == ("speech",)


def test_a_detector_is_shown_the_frames_that_it_was_trained_on(service: str, tmp_path: Path) -> None:
    """150 frames, each a little brighter: 120 of them are seen, from the first to the last."""
    path = tmp_path / "brighter.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(25))
        stream.width = stream.height = 64
        stream.codec_context.gop_size = 1  # a frame that differs little from the last would be coded as no change
        stream.bit_rate = 8_000_000
        for index in range(150):
            picture = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 40 + index, np.uint8))
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    manifest = manifest_of(find_architecture("siglip-lstm-v1"), "siglip", "triton")

    (seen,) = see_media(manifest, [MediaItem(path, "video", "real", "family", "source", "g", "none")], service)

    brightness = seen.inputs.mean(axis=(0, 2, 3, 4))
    assert brightness.shape == (120,)
    assert (np.diff(brightness) >= 0.0).all()
    assert len(np.unique(brightness)) > 100, "the codec knows fewer steps than 150; 32 frames would give 32"
    assert (brightness[0] < 44, brightness[-1] > 184) == (True, True)


def test_a_saved_model_is_published_again_byte_for_byte(toy_repository: Path, tmp_path: Path) -> None:
    repository = shutil.copytree(toy_repository, tmp_path / "models")
    old = repository / "toy-synthesis/1"
    manifest, card = read_version(old)
    limits = ("Knows no profiles.", "At its threshold it calls the portrait fake.")
    alike = Measurement(
        medium="image",
        family="all",
        split="source left out",
        n_real=9,
        n_fake=9,
        n_groups=9,
        unit="file",
        auc=Interval(value=0.9, low=0.8, high=1.0),
        false_alarm_rate=Interval(value=0.1, low=0.0, high=0.2),
        note="log loss with both classes weighed alike: 0.3",
    )
    only_alarms = alike.model_copy(update={"auc": None})
    excluded = {"video": "on films 7% are false alarms."}
    card = card.model_copy(update={"limits": limits, "trained_alike": (alike, only_alarms), "excluded": excluded})
    calibration = Calibration(method="temperature", slope=0.5, intercept=0.0, prior=0.5, n=9, fitted_on="made up")

    new = publish_recalibrated(old, manifest, card, calibration=calibration, threshold=0.7, measured=card.measured)

    assert new.name == "2"
    assert check_version(new, manifest).artifact_sha256 == card.artifact.sha256
    published = read_version(new)[1]
    assert (published.calibration, published.threshold) == (calibration, 0.7)
    assert (published.limits, published.golden.source) == (limits[:1], card.golden.source)
    assert published.trained_alike == (alike.model_copy(update={"false_alarm_rate": None, "note": None}),)
    assert list(published.excluded) == ["video"]
    assert "7%" not in published.excluded["video"]


def test_what_a_new_calibration_leaves_behind_is_said(toy_repository: Path) -> None:
    _, card = read_version(toy_repository / "toy-synthesis/1")
    interval = Interval(value=0.1, low=0.0, high=0.2)
    media: tuple[Medium, ...] = ("image", "video", "speech")
    rows = {
        medium: Measurement(
            medium=medium,
            family="all",
            split="test",
            n_real=9,
            n_fake=9,
            n_groups=9,
            unit="file",
            auc=interval,
            eer=interval,
            false_alarm_rate=interval,
        )
        for medium in media
    }
    told = {
        "measured": (rows["image"], rows["speech"]),
        "limits": (FOREIGN_UNMEASURED, "2% false alarms."),
        "excluded": {"video": "7% are false alarms."},
    }
    carried = carried_over(card.model_copy(update=told), (rows["image"], rows["video"]))

    assert carried.limits == (FOREIGN_MEASURED,)
    assert carried.excluded["video"].endswith("at this calibration, EER 0.10, 10% false alarms on test")
    gone, still, lost = carried.said
    assert gone.endswith("2% false alarms.")
    assert still == f"still does not vote on video: {carried.excluded['video']}"
    assert lost.endswith("does not vote on speech")
