"""A training follows its plan, may be interrupted anywhere, and ends in a checkpoint that is published."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from telltale_contracts import BundleMetadata, FaceCrop, MediaFacts, TensorBundle, Waveform
from telltale_export.__main__ import main
from telltale_export.architectures import find_architecture
from telltale_export.data import MediaItem, SplitName
from telltale_export.errors import DataError
from telltale_export.extraction.shards import write_shard
from telltale_export.training.augmenting import augmentation_for
from telltale_export.training.examples import epoch_order, read_examples
from telltale_export.training.loop import STATE_FILE, Epoch
from telltale_export.training.plan import Augmentation, Plan, read_plan
from telltale_export.training.recipe import train_network

ARCHITECTURE = find_architecture("efficientnet-b0").at_reduced_width()
KEY = ARCHITECTURE.input.key()
PLAN = Plan(architecture="efficientnet-b0", small=True, epochs=3, batch=8, learning_rate=2e-3, average=0.8)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    # Two cores that others use too: threads that wait for each other take ten times as long as one.
    torch.set_num_threads(1)


def write_shards(
    folder: Path, splits: Callable[[int], SplitName | None], real: int = 16, fake: int = 8, spec: FaceCrop | None = None
) -> Path:
    """Faces of grain, the forged ones without; in three shards."""
    key, size = (KEY, 64) if spec is None else (spec.key(), spec.size)
    random = np.random.default_rng(0)
    bundles = []
    for number in range(real + fake):
        forged = number >= real
        items = random.normal(120, 2 if forged else 30, (2, size, size, 3)).clip(0, 255).astype(np.uint8)
        index = np.zeros(2, np.int32)
        facts = BundleMetadata(media=MediaFacts(kind="image", container="png"))
        label = "fake" if forged else "real"
        item = MediaItem(Path(f"{number}.png"), "image", label, label, "made", f"g{number}", "none", splits(number))
        bundles.append((item, TensorBundle(facts, {key: items}, {key: index}, {key: index})))
    for part in range(3):
        write_shard(folder / f"shard-0000{part}.safetensors", bundles[part::3], [])
    return folder


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quarter for calibration."""
    return write_shards(tmp_path_factory.mktemp("shards"), lambda n: "calibration" if n % 4 == 0 else "training")


def best(folder: Path) -> dict[str, torch.Tensor]:
    return dict(torch.load(folder / "best.pth", weights_only=True)["state_dict"])


def test_an_interrupted_training_ends_like_one_that_was_not(shards: Path, tmp_path: Path) -> None:
    whole = train_network(PLAN, shards, tmp_path / "whole", lambda _: None)

    def interrupt(line: str) -> None:
        if line.startswith("epoch 2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_network(PLAN, shards, tmp_path / "resumed", interrupt)
    said: list[str] = []
    resumed = train_network(PLAN, shards, tmp_path / "resumed", said.append)

    assert sum(line.startswith("epoch") for line in said) == 1
    assert resumed.history == whole.history
    assert whole.history[-1].training_loss < whole.history[0].training_loss
    first, second = best(tmp_path / "whole"), best(tmp_path / "resumed")
    assert all(torch.equal(first[name], second[name]) for name in first)
    with pytest.raises(DataError, match="another plan"):
        train_network(PLAN.model_copy(update={"seed": 5}), shards, tmp_path / "whole", lambda _: None)


def test_a_state_that_is_damaged_is_explained(tmp_path: Path) -> None:
    (tmp_path / "shards").mkdir()
    plan = PLAN.model_copy(update={"epochs": 1})
    shards = write_shards(tmp_path / "shards", lambda number: "calibration" if number % 4 == 0 else "training")
    train_network(plan, shards, tmp_path / "out", lambda _: None)
    whole = (tmp_path / "out" / STATE_FILE).read_bytes()
    for damaged in (b"", b"x", whole[: len(whole) // 2], whole.replace(b"learner", b"learned")):
        (tmp_path / "out" / STATE_FILE).write_bytes(damaged)
        with pytest.raises(DataError, match=r"state\.npz is damaged"):
            train_network(plan, shards, tmp_path / "out", lambda _: None)


def test_a_training_does_not_go_on_with_other_shards(tmp_path: Path) -> None:
    def splits(number: int) -> SplitName:
        return "calibration" if number % 4 == 0 else "training"

    (tmp_path / "shards").mkdir()
    plan = PLAN.model_copy(update={"epochs": 1})
    train_network(plan, write_shards(tmp_path / "shards", splits), tmp_path / "out", lambda _: None)
    (tmp_path / "shards").rename(tmp_path / "moved")
    moved = train_network(plan, tmp_path / "moved", tmp_path / "out", lambda _: None)
    assert len(moved.history) == 1

    path = tmp_path / "moved/shard-00001.safetensors"
    with safe_open(path, "numpy") as shard:
        tensors = {name: shard.get_tensor(name) for name in shard.keys()}  # noqa: SIM118 - no mapping
        metadata = shard.metadata()
    tensors[KEY][0, 0, 0, 0] ^= 1
    save_file(tensors, path, metadata)
    with pytest.raises(DataError, match="other media or items"):
        train_network(plan, tmp_path / "moved", tmp_path / "out", lambda _: None)


def test_a_trained_network_is_published(shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "plan.yaml").write_text(
        "architecture: efficientnet-b0\nsmall: true\nepochs: 1\nbatch: 8\nschedule: {kind: step, every: 1}\n"
    )
    arguments = ["--config", str(tmp_path / "plan.yaml"), "--shards", str(shards), "--to", str(tmp_path / "out")]
    assert main(["train", "network", *arguments]) == 0
    assert "the best is epoch 1" in capsys.readouterr().out

    from telltale_export.conversion.convert import Conversion, convert  # noqa: PLC0415 - heavy

    converted = convert(Conversion(ARCHITECTURE, tmp_path / "out/best.pth", tmp_path / "models", "grain"))
    assert (converted.folder / "model.onnx").is_file()


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        ({"kind": "step", "every": 1, "factor": 0.5}, [1e-3, 5e-4]),
        ({"kind": "plateau", "patience": 0, "factor": 0.1}, None),
        ({"kind": "cosine", "warmup": 0.2}, None),
    ],
)
def test_schedules_lower_the_rate(
    schedule: dict[str, object], rates: list[float] | None, shards: Path, tmp_path: Path
) -> None:
    changed = {"schedule": schedule, "epochs": 2, "learning_rate": 2e-3, "balance": "weights"}
    history = train_network(Plan.model_validate(dict(PLAN) | changed), shards, tmp_path, lambda _: None).history
    found = [epoch.learning_rate for epoch in history]
    assert found == sorted(found, reverse=True)
    if rates is not None:
        assert found == pytest.approx(rates)
    if schedule["kind"] == "cosine":
        assert found[-1] == pytest.approx(2e-5)


def test_training_stops_when_nothing_gets_better(shards: Path, tmp_path: Path) -> None:
    plan = PLAN.model_copy(update={"epochs": 9, "early_stopping": 1, "learning_rate": 1e-12, "average": 0.0})
    history = train_network(plan, shards, tmp_path, lambda _: None).history
    losses = [epoch.loss for epoch in history]
    assert len(history) < 9
    assert min(losses[:-1]) <= losses[-1]
    assert isinstance(history[0], Epoch)


def test_both_classes_are_drawn_alike() -> None:
    fake = np.arange(90) < 10
    order = epoch_order(fake, "sampling", np.random.default_rng(0))
    assert fake[order].mean() == 0.5
    assert sorted(epoch_order(fake, "none", np.random.default_rng(0))) == list(range(90))


def test_what_is_read_is_what_was_written(shards: Path) -> None:
    parts = read_examples(shards, KEY)
    assert (len(parts["training"].examples), len(parts["calibration"].examples)) == (18, 6)
    for part in parts.values():
        for index, example in enumerate(part.examples):
            assert part.items(index).shape == (2, 64, 64, 3)
            assert (part.items(index).std() < 10) == example.fake


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        (lambda _: None, "24 media .* in no split"),
        (lambda n: "training" if n < 16 else "calibration", "training holds real media only"),
    ],
)
def test_shards_that_cannot_be_learned_from_are_refused(
    splits: Callable[[int], SplitName | None], message: str, tmp_path: Path
) -> None:
    write_shards(tmp_path, splits)
    with pytest.raises(DataError, match=message):
        read_examples(tmp_path, KEY)
    with pytest.raises(DataError, match="hold nothing for"):
        read_examples(tmp_path, Waveform(samples=64_000).key())


def test_a_plan_is_read_strictly(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    path.write_text("architecture: aasist\nepoch: 3\n")
    with pytest.raises(DataError, match="epoch: Extra inputs"):
        read_plan(path)
    path.write_text("architecture: aasist\nschedule: {kind: triangle}\n")
    with pytest.raises(DataError, match="schedule"):
        read_plan(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_plan(tmp_path / "nothing.yaml")
    path.write_text("architecture: aasist\nmixed_precision: sometimes\n")
    with pytest.raises(DataError, match="mixed_precision"):
        read_plan(path)


@pytest.mark.parametrize(
    ("name", "shape", "dtype"),
    [("efficientnet-b0", (64, 64, 3), np.uint8), ("resnext50-lstm", (4, 48, 48, 3), np.uint8)],
)
def test_pictures_keep_their_shape_and_change(name: str, shape: tuple[int, ...], dtype: type[np.uint8]) -> None:
    always = Augmentation(flip=1, colour=1, resize=1, blur=1, jpeg=1)
    item = np.random.default_rng(0).integers(0, 256, shape).astype(dtype)
    changed = augmentation_for(find_architecture(name).input, always)(item, np.random.default_rng(1))
    again = augmentation_for(find_architecture(name).input, always)(item, np.random.default_rng(1))
    never = Augmentation(flip=0, colour=0, resize=0, blur=0, jpeg=0)
    assert (changed.shape, changed.dtype) == (item.shape, item.dtype)
    assert np.abs(changed.astype(int) - item).mean() > 5
    np.testing.assert_array_equal(changed, again)
    kept = augmentation_for(find_architecture(name).input, never)(item, np.random.default_rng(1))
    np.testing.assert_array_equal(kept, item)


def test_sounds_keep_their_length_and_features_stay() -> None:
    pcm = np.random.default_rng(0).normal(0, 0.1, 64_600).astype(np.float32)
    aasist = augmentation_for(find_architecture("aasist").input, Augmentation(channel=1))
    changed = aasist(pcm, np.random.default_rng(3))
    assert (changed.shape, changed.dtype) == (pcm.shape, np.float32)
    assert not np.array_equal(changed, pcm)
    cepstra = np.ones((60, 400), np.float32)
    features = augmentation_for(find_architecture("lfcc-lcnn").input, Augmentation(channel=1))
    np.testing.assert_array_equal(features(cepstra, np.random.default_rng(0)), cepstra)
