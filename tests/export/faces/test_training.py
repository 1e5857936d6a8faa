"""A few steps of training, from faces to a version of each kind in a model repository."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from telltale_contracts import DetectorManifest, VersionCard
from telltale_export.conversion.parity import Difference, difference, require_parity
from telltale_export.errors import DataError, PackagingError
from telltale_export.faces import face_blend, face_synthesis
from telltale_export.faces.ahead import batches
from telltale_export.faces.chips import FaceSet
from telltale_export.faces.generated import GeneratedFaces
from telltale_export.faces.golden import SOURCE, golden_pictures
from telltale_export.faces.keras_export import export_saved_model
from telltale_export.faces.measuring import Collection
from telltale_export.faces.network import FaceNet
from telltale_export.faces.onnx_export import export_onnx
from telltale_export.faces.pairs import BlendPairs
from telltale_export.faces.predecessor import insert_version, read_version
from telltale_export.faces.recipe import keep_weights, saved_network
from telltale_export.faces.training import Batch, Batches, Trained, TrainingOptions, fit, score
from telltale_export.packaging import VersionDraft, check_version, write_version

ROOT = Path(__file__).parents[3]
PORTRAIT = ROOT / ".cache/assets/astronaut.png"


def _quiet(_line: str) -> None:
    """Nobody listens."""


def _options(batch: int, steps: int) -> TrainingOptions:
    return TrainingOptions(images=batch * steps, batch=batch, report_every=1)


@pytest.fixture(scope="module")
def trained(faces: FaceSet) -> Trained:
    """A network after three steps on the portrait."""
    torch.manual_seed(0)
    lines: list[str] = []
    result = fit(FaceNet(), batches(BlendPairs(faces, [0, 1], 0), 8), _options(8, 3), lines.append)
    assert [line.split(" ", 1)[0] for line in lines] == ["8", "16", "24"]
    return result


def test_training_changes_the_whole_network_and_counts(trained: Trained) -> None:
    torch.manual_seed(0)
    before = FaceNet().state_dict()
    after = trained.net.state_dict()

    assert trained.seen == 24
    same = [name for name in before if name.endswith("conv.weight") and torch.equal(before[name], after[name])]
    assert same == []
    assert not trained.net.training


def test_training_learns_what_it_is_shown(faces: FaceSet) -> None:
    torch.manual_seed(0)
    crops = np.zeros((8, 160, 160, 3), np.uint8)
    crops[4:] = 255
    batch = replace(GeneratedFaces(faces, [0, 2], 0).batch(0, 8), pictures=crops)

    net = fit(FaceNet(dropout=0.0), lambda first, end: iter([batch] * (end - first)), _options(8, 12), _quiet).net

    scores = score(net.train(), crops)
    assert scores.shape == (8,)
    net.train()
    with torch.no_grad():
        logits = net(torch.from_numpy(crops)).numpy()
    assert logits[4:].min() > logits[:4].max()


class _Killed(Exception):
    """Somebody ended the process."""


def _killed_after(drawn: Batches, number: int) -> Batches:
    def between(first: int, end: int) -> Iterator[Batch]:
        for place, batch in enumerate(drawn(first, end), first):
            if place == number:
                raise _Killed
            yield batch

    return between


def test_an_interrupted_training_ends_like_one_that_was_not(faces: FaceSet, tmp_path: Path) -> None:
    """Also when more images are asked for the second time, as long as the rate has not begun to fall."""
    drawn = batches(BlendPairs(faces, [0, 1], 0), 4)
    kept = tmp_path / "training.checkpoint"
    options = TrainingOptions(images=24, batch=4, keep_every=2, falling=0.5)
    torch.manual_seed(0)
    begun = FaceNet()

    whole = fit(copy.deepcopy(begun), drawn, options, _quiet).net
    with pytest.raises(_Killed):
        fit(copy.deepcopy(begun), _killed_after(drawn, 3), replace(options, images=16), _quiet, checkpoint=kept)
    lines: list[str] = []
    again = fit(copy.deepcopy(begun), drawn, options, lines.append, checkpoint=kept).net

    assert lines == ["goes on from training.checkpoint: 8 images"]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name


@pytest.mark.parametrize("changed", [{"learning_rate": 1e-3}, {"images": 12}])
def test_a_checkpoint_of_another_training_is_refused(changed: dict[str, float], faces: FaceSet, tmp_path: Path) -> None:
    options = TrainingOptions(images=24, batch=4, keep_every=2, falling=0.5)
    kept = tmp_path / "training.checkpoint"
    drawn = batches(BlendPairs(faces, [0, 1], 0), 4)
    fit(FaceNet(), drawn, replace(options, images=8, falling=0.5), _quiet, checkpoint=kept)

    with pytest.raises(DataError, match="other options"):
        fit(FaceNet(), drawn, replace(options, **changed), _quiet, checkpoint=kept)


def test_what_keeps_still_is_not_changed(faces: FaceSet) -> None:
    torch.manual_seed(0)
    begun = FaceNet()
    drawn = batches(BlendPairs(faces, [0, 1], 0), 8)

    net = fit(copy.deepcopy(begun), drawn, replace(_options(8, 2), still=4), _quiet).net

    before, after = begun.state_dict(), net.state_dict()
    same = {name for name in before if name.startswith("features") and torch.equal(before[name], after[name])}
    still = {name for name in before if name.startswith(tuple(f"features.{n}." for n in range(4)))}
    assert still <= same
    assert not {name for name in same - still if name.endswith("conv.weight")}


def test_training_goes_on_from_a_version(trained: Trained, tmp_path: Path) -> None:
    pictures = golden_pictures(PORTRAIT, 1.0, 160)
    export_onnx(trained.net, tmp_path / "1", face_blend.manifest().tensors, pictures)
    net = FaceNet()

    insert_version(net, read_version(tmp_path / "1"), pictures)

    np.testing.assert_allclose(score(net, pictures), score(trained.net, pictures), atol=2e-3)
    with pytest.raises(DataError, match=r"holds no model\.onnx"):
        read_version(tmp_path)


def test_weights_come_back_as_they_were_kept(trained: Trained, tmp_path: Path) -> None:
    keep_weights(trained, tmp_path / "kept.safetensors")

    again = saved_network(tmp_path / "kept.safetensors")

    pictures = golden_pictures(PORTRAIT, 1.0, 160)
    np.testing.assert_array_equal(score(again.net, pictures), score(trained.net, pictures))
    assert again.seen == trained.seen
    with pytest.raises(DataError, match="not there"):
        saved_network(tmp_path / "absent.safetensors")


@pytest.mark.parametrize("kind", ["onnx", "saved_model"])
def test_a_trained_network_becomes_a_version(kind: str, trained: Trained, draft: VersionDraft, tmp_path: Path) -> None:
    manifest = face_blend.manifest() if kind == "onnx" else face_synthesis.manifest()
    golden = golden_pictures(PORTRAIT, manifest.input.margin, manifest.input.size)
    export = export_onnx if kind == "onnx" else export_saved_model
    artifact = export(trained.net, tmp_path / "model", manifest.tensors, golden)

    folder = write_version(
        tmp_path / "repository", manifest, 1, artifact, replace(draft, golden_inputs=golden, golden_source=SOURCE)
    )

    report = check_version(folder, manifest)
    assert report.golden_difference < 1e-4
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 15_000_000
    card = VersionCard.from_yaml(folder / "card.yaml")
    np.testing.assert_allclose(card.golden.scores, score(trained.net, golden), atol=1e-4)


def test_an_export_that_answers_otherwise_is_refused() -> None:
    with pytest.raises(PackagingError, match="differ by"):
        require_parity(Difference("onnxruntime", "torch", "golden", difference(np.float32([0.5]), np.float64([0.6]))))


def test_a_track_scores_the_mean_log_odds_of_its_crops(trained: Trained, draft: VersionDraft) -> None:
    pictures = golden_pictures(PORTRAIT, 1.0, 160)
    collection = Collection()
    collection.add(pictures[:3], fake=True, family="blend", source="tests", group="a")
    collection.add(pictures[3], fake=False, family="camera", source="tests", group="b")

    scored = collection.scored(partial(score, trained.net), draft.calibration)

    single = np.array([draft.calibration.apply(value) for value in score(trained.net, pictures)])
    odds = np.log(single / (1 - single))
    np.testing.assert_allclose(np.log(scored.scores / (1 - scored.scores)), [odds[:3].mean(), odds[3]], atol=1e-5)


@pytest.mark.parametrize("name", ["face-blend", "face-synthesis"])
def test_the_committed_version_was_made_from_the_portrait_s_golden_inputs(name: str) -> None:
    home = ROOT / "model-repository" / name
    manifest = DetectorManifest.from_yaml(home / "detector.yaml")
    made = face_blend.manifest() if name == "face-blend" else face_synthesis.manifest()

    assert manifest == made
    for golden in home.glob("*/golden.safetensors"):
        expected = golden_pictures(PORTRAIT, manifest.input.margin, manifest.input.size)
        assert np.abs(load_file(golden)["input"].astype(int) - expected).max() <= 2
