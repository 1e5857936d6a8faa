"""A version appears whole or not at all, is never changed, and answers probabilities."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from telltale_contracts import DetectorManifest, Rollout, RolloutEvent, VersionCard, Waveform, artifact_digest
from telltale_export.errors import PackagingError
from telltale_export.packaging import (
    check_onnx,
    check_repository,
    score_artifact,
    versions,
    write_version,
)

from .conftest import Publisher


def test_a_new_detector_is_complete(publisher: Publisher) -> None:
    folder = publisher.publish(publisher.onnx())

    assert folder == publisher.repository / "loudness" / "1"
    home = sorted(p.relative_to(folder.parent).as_posix() for p in folder.parent.rglob("*") if p.is_file())
    assert home == [
        "1/card.yaml",
        "1/golden.safetensors",
        "1/model.onnx",
        "config.pbtxt",
        "detector.yaml",
        "history.jsonl",
        "rollout.yaml",
    ]
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in folder.parent.rglob("*"))
    card = VersionCard.from_yaml(folder / "card.yaml")
    assert artifact_digest(card.artifact.files) == card.artifact.sha256
    power = (publisher.draft.golden_inputs.astype(np.float64) ** 2).mean(axis=1)
    assert card.golden.scores == pytest.approx(1 / (1 + np.exp(-power)), abs=1e-5)
    assert DetectorManifest.from_yaml(folder.parent / "detector.yaml") == publisher.manifest
    assert Rollout.from_yaml(folder.parent / "rollout.yaml") == Rollout(live=1)
    event = RolloutEvent.model_validate_json((folder.parent / "history.jsonl").read_text())
    assert (event.action, event.version) == ("promote", 1)
    assert [path.name for path in publisher.repository.iterdir()] == ["loudness"]
    assert [report.golden_difference < 1e-6 for report in check_repository(publisher.repository)] == [True]


def test_config_says_what_triton_needs(publisher: Publisher) -> None:
    config = (publisher.publish(publisher.onnx()).parent / "config.pbtxt").read_text()

    for line in (
        'name: "loudness"',
        'backend: "onnxruntime"',
        "max_batch_size: 8",
        'input [ { name: "waveform", data_type: TYPE_FP32, dims: [ 400 ] } ]',
        'output [ { name: "probability", data_type: TYPE_FP32, dims: [ 1 ] } ]',
        "instance_group [ { kind: KIND_CPU, count: 1 } ]",
    ):
        assert line in config.splitlines()
    assert "dynamic_batching" in config


def test_another_version_leaves_who_answers_alone(publisher: Publisher) -> None:
    publisher.publish(publisher.onnx())
    second = publisher.publish(publisher.onnx(divide_by=2.0))

    assert second.name == "2"
    assert Rollout.from_yaml(second.parent / "rollout.yaml") == Rollout(live=1)
    assert [report.version for report in check_repository(publisher.repository)] == [1, 2]
    assert sorted(path.name for path in second.parent.iterdir() if path.is_dir()) == ["1", "2"]


def test_an_existing_version_is_never_overwritten(publisher: Publisher) -> None:
    folder = publisher.publish(publisher.onnx())
    before = (folder / "card.yaml").read_bytes()

    with pytest.raises(PackagingError, match="never changed") as raised:
        write_version(publisher.repository, publisher.manifest, 1, publisher.onnx(divide_by=3.0), publisher.draft)
    assert "version 2" in raised.value.hint
    assert (folder / "card.yaml").read_bytes() == before


def test_a_known_detector_keeps_its_input(publisher: Publisher) -> None:
    publisher.publish(publisher.onnx())
    other = publisher.manifest.model_copy(update={"input": Waveform(samples=800)})

    with pytest.raises(PackagingError, match="another input"):
        publisher.publish(publisher.onnx(), other)


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("step", ["check_onnx", "artifact_files", "_publish"])
def test_a_crash_in_the_middle_leaves_nothing(
    publisher: Publisher,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    known: bool,
) -> None:
    publisher.repository.mkdir()
    if known:
        publisher.publish(publisher.onnx())
    before = sorted(publisher.repository.rglob("*"))

    def crash(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(versions, step, crash)
    with pytest.raises(OSError, match="no space"):
        publisher.publish(publisher.onnx())
    assert sorted(publisher.repository.rglob("*")) == before


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"activation": "Identity", "divide_by": 0.1}, r"The model answers .*10\."),
        ({"activation": "Sigmoid", "divide_by": 0.0}, "The model answers .*nan"),
        ({"opset": 18}, "opset 18"),
        ({"ir": 10}, "IR 10"),
        ({"batch": 4}, "batch 4"),
    ],
)
def test_a_bad_graph_is_refused(
    publisher: Publisher,
    wrong: dict[str, object],
    message: str,
) -> None:
    model = publisher.onnx(**wrong)
    with pytest.raises(PackagingError, match=message):
        publisher.publish(model)
    assert not publisher.repository.exists()


def test_a_graph_with_other_names_or_shapes_is_refused(tmp_path: Path, publisher: Publisher) -> None:
    manifest = publisher.manifest
    model = publisher.onnx().rename(tmp_path / "model.onnx")
    renamed = manifest.model_copy(update={"tensors": manifest.tensors.model_copy(update={"input": "pcm"})})
    with pytest.raises(PackagingError, match="inputs are"):
        check_onnx(model, renamed)
    with pytest.raises(PackagingError, match=r"shape \(400,\)"):
        check_onnx(model, manifest.model_copy(update={"input": Waveform(samples=500)}))


def test_a_file_that_is_no_graph_is_refused(tmp_path: Path, publisher: Publisher) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no model")
    with pytest.raises(PackagingError, match="not what triton serves"):
        publisher.publish(text)


@pytest.mark.parametrize("file", ["model.onnx", "golden.safetensors"])
def test_a_changed_file_is_found(publisher: Publisher, file: str) -> None:
    folder = publisher.publish(publisher.onnx())
    (folder / file).write_bytes((folder / file).read_bytes() + b"\0")

    with pytest.raises(PackagingError, match=file):
        check_repository(publisher.repository)


def test_golden_scores_that_differ_are_found(publisher: Publisher) -> None:
    folder = publisher.publish(publisher.onnx())
    card = VersionCard.from_yaml(folder / "card.yaml")
    wrong = card.golden.model_copy(update={"scores": tuple(score + 0.01 for score in card.golden.scores)})
    (folder / "card.yaml").write_text(card.model_copy(update={"golden": wrong}).to_yaml())

    with pytest.raises(PackagingError, match="golden scores"):
        check_repository(publisher.repository)


def test_a_rollout_that_names_no_version_is_found(publisher: Publisher) -> None:
    folder = publisher.publish(publisher.onnx())
    (folder.parent / "rollout.yaml").write_text("live: 7\n")

    with pytest.raises(PackagingError, match=r"\[7\]"):
        check_repository(publisher.repository)


def test_scores_do_not_depend_on_the_batch(publisher: Publisher) -> None:
    folder = publisher.publish(publisher.onnx())
    inputs = np.random.default_rng(0).normal(size=(7, 400)).astype(np.float32)

    one = score_artifact(folder, publisher.manifest.tensors, inputs, batch=1)
    assert score_artifact(folder, publisher.manifest.tensors, inputs, batch=3) == pytest.approx(one, abs=1e-6)


def test_a_saved_model_is_published_and_scored(tmp_path: Path, publisher: Publisher) -> None:
    import tensorflow as tf  # noqa: PLC0415 - three seconds, for this test only

    served = publisher.manifest.model_copy(update={"server": "tfserving"})
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([None, 400], tf.float32, name="waveform")])
    def serve(waveform: object) -> dict[str, object]:
        return {"probability": tf.sigmoid(tf.reduce_mean(tf.square(waveform), axis=1, keepdims=True))}

    tf.saved_model.save(module, str(tmp_path / "saved"), signatures={"serving_default": serve})
    folder = publisher.publish(tmp_path / "saved", served)

    assert (folder / "saved_model.pb").is_file()
    assert not (folder.parent / "config.pbtxt").exists()
    assert len(check_repository(publisher.repository)) == 1
    wrong = replace(publisher.draft, golden_inputs=publisher.draft.golden_inputs * np.float32(np.nan))
    with pytest.raises(PackagingError, match="nan"):
        replace(publisher, draft=wrong).publish(tmp_path / "saved", served)
