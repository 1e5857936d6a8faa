"""Every view over the real stack, against its golden answer in ``golden/``.

``TELLTALE_WRITE_GOLDEN=1`` writes them anew; what changed is then for a person to read.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel
from telltale_contracts import Problem
from telltale_gateway.analysis import Verdict
from telltale_gateway.api.views import detailed, detection, multimodal, prediction, status

from tests.contract.likeness import differences, normalised
from tests.contract.standins import filled
from tests.integration.stack import RunningStack

GOLDEN = Path(__file__).parent / "golden"

# By the name of the golden file: path, parts of the form by the media's name, its fields, and the model.
POSTS: dict[str, tuple[str, dict[str, str], dict[str, str], type[BaseModel]]] = {
    "predict-video": ("/predict?max_frames=6", {"file": "talking"}, {}, Verdict),
    "predict-darkening": ("/predict?max_frames=8&detectors=toy-synthesis", {"file": "darkening"}, {}, Verdict),
    "predict-image": ("/predict?explain=true", {"file": "still"}, {}, Verdict),
    "predict-audio": ("/predict", {"file": "voice"}, {}, Verdict),
    "predict_video": ("/predict_video?max_frames=6", {"file": "talking"}, {}, prediction.VideoPrediction),
    "detect-audio": ("/detect/audio", {"file": "voice"}, {}, detection.AudioDetection),
    "detect-audio-of-a-video": ("/detect/audio", {"file": "talking"}, {}, detection.AudioDetection),
    "detect-image": ("/detect/image", {"file": "still"}, {}, detection.ImageDetection),
    "detect-video": ("/detect/video?max_frames=6", {"file": "talking"}, {}, detection.VideoDetection),
    "detect-video-darkening": (
        "/detect/video?max_frames=8",
        {"file": "darkening"},
        {"model": "toy-synthesis"},
        detection.VideoDetection,
    ),
    "detect-multimodal": (
        "/detect/multimodal?max_frames=6",
        {"audio": "voice", "image": "still", "video": "talking"},
        {},
        multimodal.MultimodalDetection,
    ),
    "detect-multimodal-average": (
        "/detect/multimodal",
        {"audio": "voice", "image": "still"},
        {"fusion_method": "weighted_average", "weights": '{"audio": 3}'},
        multimodal.MultimodalDetection,
    ),
    "detect-multimodal-vote": (
        "/detect/multimodal",
        {"audio": "voice", "image": "dark", "video": "talking"},
        {"fusion_method": "majority_vote", "weights": '{"image": 3}', "model": "toy-synthesis, toy-voice"},
        multimodal.MultimodalDetection,
    ),
    "detect-multimodal-unjudged": (
        "/detect/multimodal",
        {"audio": "voice", "image": "meadow"},
        {"fusion_method": "majority_vote"},
        multimodal.MultimodalDetection,
    ),
    "analyze": ("/analyze?max_frames=6", {"video": "talking"}, {}, detailed.Envelope[detailed.Analysis]),
    "analyze-model": (
        "/analyze?max_frames=6",
        {"video": "darkening"},
        {"model": "toy-face"},
        detailed.Envelope[detailed.Analysis],
    ),
    "analyze-frames": (
        "/analyze/frames?max_frames=6",
        {"video": "darkening"},
        {},
        detailed.Envelope[detailed.FramesAnalysis],
    ),
    "analyze-audio": ("/analyze/audio", {"audio": "voice"}, {}, detailed.Envelope[detailed.AudioAnalysis]),
    "analyze-comprehensive": (
        "/analyze/comprehensive?max_frames=6",
        {"video": "talking"},
        {},
        detailed.Envelope[detailed.Comprehensive],
    ),
}
GETS: dict[str, tuple[str, type[BaseModel]]] = {
    "root": ("/", status.Root),
    "ping": ("/ping", status.Pong),
    "stats": ("/stats", status.Stats),
    "device": ("/device", status.Device),
    "system": ("/system", status.System),
    "config": ("/config", status.Config),
    "info": ("/info", prediction.Info),
    "models-info": ("/models/info", status.ModelsInfo),
}

SHAPES = {
    "predict_video": {"filename", "prediction.label", "prediction.raw_score", "prediction.confidence",
                      "prediction.is_deepfake", "status"},
    "info": {"status", "device", "models", "num_frames", "face_size"},
    "detect-audio": {"prediction", "confidence", "model", "processing_time", "details.audio_duration",
                     "details.sample_rate", "details.features_extracted"},
    "detect-image": {"prediction", "confidence", "model", "processing_time", "faces_detected",
                     "details.face_locations", "details.image_size", "details.manipulation_regions"},
    "detect-video": {"prediction", "confidence", "model", "processing_time", "frames_analyzed",
                     "details.video_duration", "details.fps", "details.temporal_consistency",
                     "details.suspicious_frames"},
    "detect-multimodal": {"final_prediction", "confidence", "fusion_method", "processing_time", "explanation",
                          *(f"individual_scores.{part}.{field}" for part in ("audio", "image", "video")
                            for field in ("prediction", "confidence", "weight"))},
    "analyze": {"success", "model_used", "timestamp", "data.prediction", "data.confidence", "data.processing_time",
                "data.note", *(f"data.metrics.{field}" for field in (
                    "frame_count", "final_average_score", "max_score", "min_score", "suspicious_frames_count",
                    "score_variance", "rolling_average"))},
    "analyze-frames": {"success", "model_used", "timestamp", "data.overall_prediction", "data.overall_confidence",
                       "data.processing_time", "data.frame_predictions", "data.temporal_analysis.rolling_average",
                       "data.temporal_analysis.variance", "data.temporal_analysis.trend", "data.note"},
    "analyze-audio": {"success", "model_used", "timestamp", "data.prediction", "data.confidence",
                      "data.properties.duration_seconds", "data.properties.sample_rate", "data.properties.channels",
                      "data.pitch.mean_pitch_hz", "data.pitch.pitch_stability_score", "data.energy.rms_energy",
                      "data.energy.silence_ratio", "data.spectral.spectral_centroid",
                      "data.spectral.spectral_contrast", "data.visualization.spectrogram_url",
                      "data.visualization.spectrogram_data", "data.note"},
    "ping": {"status"},
}  # fmt: skip
"""What clients of other services read, by where it stands; nothing else is there."""


def ask(stack: RunningStack, media: dict[str, Path], name: str) -> httpx.Response:
    if name in GETS:
        return stack.client.get(GETS[name][0])
    path, parts, fields, _ = POSTS[name]
    files = {part: (media[each].name, media[each].read_bytes()) for part, each in parts.items()}
    return stack.client.post(path, files=files, data=fields)


def golden(name: str) -> Any:
    return json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))


def places(answer: Any, where: str = "") -> set[str]:
    """Where something stands that is no object."""
    if not isinstance(answer, dict):
        return {where}
    return {place for name, value in answer.items() for place in places(value, f"{where}.{name}".lstrip("."))}


@pytest.mark.parametrize("name", [*POSTS, *GETS])
def test_a_view_answers_as_its_golden_file_says(stack: RunningStack, media: dict[str, Path], name: str) -> None:
    response = ask(stack, media, name)
    assert response.status_code == 200, response.text
    answer = normalised(response.json())
    if os.environ.get("TELLTALE_WRITE_GOLDEN"):
        text = json.dumps(answer, indent=2, ensure_ascii=False)
        (GOLDEN / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    assert differences(answer, golden(name)) == []


@pytest.mark.parametrize("name", [*POSTS, *GETS])
def test_an_answer_has_exactly_the_fields_of_its_documented_model(
    stack: RunningStack, media: dict[str, Path], name: str
) -> None:
    model = GETS[name][1] if name in GETS else POSTS[name][3]
    body = ask(stack, media, name).content
    read = model.model_validate_json(body)
    assert json.loads(read.model_dump_json()).keys() == json.loads(body).keys()
    if model is not Verdict:
        assert model.model_config["extra"] == "forbid"


@pytest.mark.parametrize("name", SHAPES)
def test_clients_find_everything_where_they_look_for_it(name: str) -> None:
    assert places(golden(name)) == SHAPES[name]


def test_what_is_counted_is_told(stack: RunningStack, media: dict[str, Path]) -> None:
    before = stack.client.get("/stats").json()
    label = stack.predict(media["voice"]).json()["label"]
    after = stack.client.get("/stats").json()
    assert after["verdicts"] == before["verdicts"] + 1
    assert after["verdicts_by_label"][label] == before["verdicts_by_label"].get(label, 0) + 1
    assert after["verdicts_by_modality"]["audio"] == before["verdicts_by_modality"].get("audio", 0) + 1
    assert after["requests"] > before["requests"]
    assert after["requests_by_status"]["200"] > 0


def test_comprehensive_is_analyze_and_more() -> None:
    whole, part = golden("analyze-comprehensive")["data"], golden("analyze")["data"]
    assert whole.keys() - part.keys() == {
        "frames_analysis",
        "visualization_generated",
        "visualization_filename",
        "processing_breakdown",
    }
    assert part.keys() <= whole.keys()
    assert whole["frames_analysis"].keys() == golden("analyze-frames")["data"].keys()


def test_a_difference_would_be_seen() -> None:
    assert differences({"a": 1.0}, {"a": 1.0, "b": 2}) == ["$: b is missing"]
    assert differences({"a": 1.0, "c": 0}, {"a": 1.0}) == ["$: c is not documented"]
    assert differences({"a": 0.5}, {"a": 0.6}) == ["$.a: 0.5 instead of 0.6"]
    assert differences(["P is 0.5."], ["P is 0.6."]) == ["$[0]: 'P is 0.5.' instead of 'P is 0.6.'"]
    assert differences(["P is 0.61."], ["P is 0.60."]) == []
    assert differences({"a": None}, {"a": 0.5}) == ["$.a: None instead of 0.5"]
    assert differences({"variance": 0.0}, {"variance": 0.004}) != []
    assert differences({"variance": 0.0}, {"variance": 2e-5}) != []
    assert differences({"variance": 3.9e-3}, {"variance": 4e-3}) == []
    assert differences({"a": True}, {"a": 1}) == ["$.a: True instead of 1"]


def problem(response: httpx.Response) -> Problem:
    assert response.headers["content-type"] == Problem.MEDIA_TYPE, response.text
    return Problem.model_validate_json(response.content)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/predict_video", "voice"),
        ("/predict_video", "still"),
        ("/detect/image", "talking"),
        ("/detect/video", "still"),
        ("/analyze", "still"),
        ("/analyze/frames", "voice"),
        ("/analyze/visualize", "voice"),
        ("/analyze/comprehensive", "still"),
    ],
)
def test_media_of_another_kind_is_told_where_to_go(
    stack: RunningStack, media: dict[str, Path], path: str, kind: str
) -> None:
    refused = problem(stack.client.post(path, files={"file": media[kind].read_bytes()}))
    assert (refused.status, refused.code) == (415, "wrong_kind")
    assert "/detect/" in refused.hint


@pytest.mark.parametrize("path", ["/predict_video", "/detect/audio", "/detect/image", "/detect/multimodal", "/analyze"])
def test_heatmaps_are_not_made_for_an_answer_that_shows_none(stack: RunningStack, path: str) -> None:
    refused = problem(stack.client.post(f"{path}?explain=true", files={"video": b"x"}))
    assert (refused.status, refused.code) == (400, "bad_parameter")
    assert "explain" in refused.detail


@pytest.mark.parametrize(
    ("part", "kind", "code"),
    [("image", "talking", "wrong_kind"), ("video", "still", "wrong_kind"), ("audio", None, "not_media")],
)
def test_of_several_media_the_bad_one_is_named(
    stack: RunningStack, media: dict[str, Path], part: str, kind: str | None, code: str
) -> None:
    good = {"audio": media["voice"].read_bytes(), "image": media["still"].read_bytes()}
    bad = b"text " * 99 if kind is None else media[kind].read_bytes()
    refused = problem(stack.client.post("/detect/multimodal", files={**good, part: bad}))
    assert (refused.status, refused.code) == (415, code)
    assert refused.detail.startswith(f"The part {part}: ")


def test_what_was_meant_by_a_field_that_there_is_not_is_said(stack: RunningStack) -> None:
    sent = {"fusion": "majority_vote"}
    refused = problem(stack.client.post("/detect/multimodal", files={"audio": b"x"}, data=sent))
    assert "'fusion'" in refused.detail
    assert "Did you mean fusion_method?" in refused.hint


def test_figures_over_frames_are_those_of_the_frames(stack: RunningStack, media: dict[str, Path]) -> None:
    sent = {"video": media["darkening"].read_bytes()}
    data = stack.client.post("/analyze/comprehensive?max_frames=8", files=sent).json()["data"]
    frames, metrics = data["frames_analysis"], data["metrics"]
    scores = [each["score"] for each in frames["frame_predictions"] if each["score"] is not None]
    assert len(scores) > 4
    mean = sum(scores) / len(scores)
    variance = sum((score - mean) ** 2 for score in scores) / len(scores)
    assert variance > 1e-4
    assert metrics["final_average_score"] == pytest.approx(mean)
    assert metrics["score_variance"] == frames["temporal_analysis"]["variance"] == pytest.approx(variance)
    assert (metrics["min_score"], metrics["max_score"]) == (min(scores), max(scores))


def shown(**scores: float) -> Verdict:
    """The golden picture's verdict with other scores of its detectors, and the label that the highest of them has."""
    verdict = Verdict.model_validate(filled(golden("predict-image")))
    detectors = tuple(each.model_copy(update={"score": scores.get(each.name)}) for each in verdict.detectors)
    label = "fake" if max(scores.values()) >= 0.75 else "uncertain" if max(scores.values()) > 0.25 else "real"
    return verdict.model_copy(update={"detectors": detectors, "label": label})


def test_regions_are_of_detectors_that_call_it_forged() -> None:
    both = [region.detector for region in shown(**{"toy-face": 0.9}).findings.regions]
    assert both == ["toy-face", "toy-synthesis"]

    def of(**scores: float) -> list[str]:
        return [region.detector for region in detection.manipulated(shown(**scores))]

    assert of(**{"toy-face": 0.9, "toy-synthesis": 0.8}) == both
    assert of(**{"toy-face": 0.9, "toy-synthesis": 0.009}) == ["toy-face"]
    assert of(**{"toy-face": 0.3, "toy-synthesis": 0.4}) == []
    assert of(**{"toy-face": 0.2, "toy-synthesis": 0.009}) == []
    called_real = shown(**{"toy-face": 0.6, "toy-synthesis": 0.009}).model_copy(update={"label": "real"})
    assert detection.manipulated(called_real) == []


BAD_FORMS: dict[str, tuple[str, dict[str, bytes], dict[str, str], int, str]] = {
    "no file": ("/analyze", {"letter": b"x"}, {}, 400, "bad_upload"),
    "no media": ("/predict_video", {"file": b"text " * 99}, {}, 415, "not_media"),
    "no part": ("/detect/multimodal", {"file": b"x"}, {}, 400, "bad_upload"),
    "no method": ("/detect/multimodal", {"audio": b"x"}, {"fusion_method": "coin"}, 400, "bad_parameter"),
    "no weights": ("/detect/multimodal", {"audio": b"x"}, {"weights": "[]"}, 400, "bad_parameter"),
    "no detector": ("/analyze", {"video": b"x"}, {"model": "nobody"}, 400, "unknown_detector"),
    "no detector of several media": (
        "/detect/multimodal",
        {"image": b"x"},
        {"model": "nobody"},
        400,
        "unknown_detector",
    ),
    "no weight": ("/detect/multimodal", {"image": b"x"}, {"weights": '{"image": 0}'}, 400, "bad_parameter"),
    "another field of several media": ("/detect/multimodal", {"image": b"x"}, {"fusion": "vote"}, 400, "bad_parameter"),
    "another file of several media": ("/detect/multimodal", {"image": b"x", "file": b"x"}, {}, 400, "bad_upload"),
    "another field": ("/analyze", {"video": b"x"}, {"modle": "toy-face"}, 400, "bad_parameter"),
    "another field of predict": ("/predict", {"file": b"x"}, {"max_frames": "4"}, 400, "bad_parameter"),
    "a field for a file": ("/detect/image", {"file": b"x"}, {"image": "x"}, 400, "bad_upload"),
    "no listener": ("/detect/audio", {"audio": b"x"}, {"model": "toy-face"}, 400, "unknown_detector"),
}


@pytest.mark.parametrize("name", BAD_FORMS)
def test_a_form_that_lacks_something_says_what(stack: RunningStack, name: str) -> None:
    path, files, fields, status_code, code = BAD_FORMS[name]
    refused = problem(stack.client.post(path, files=files, data=fields))
    assert (refused.status, refused.code) == (status_code, code)
    assert refused.hint


def test_where_no_medium_can_be_judged_the_first_says_why(stack: RunningStack, media: dict[str, Path]) -> None:
    refused = problem(stack.client.post("/detect/multimodal", files={"image": media["meadow"].read_bytes()}))
    assert (refused.status, refused.code) == (422, "no_face")
