"""A checkpoint is read as data: nothing in it runs, and what is wrong with it is named."""

from __future__ import annotations

import hashlib
import os
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from telltale_export.architectures import find_architecture
from telltale_export.checkpoints import load_keras, read_checkpoint
from telltale_export.errors import CheckpointError

STATE = {"conv.weight": torch.arange(6.0).reshape(2, 3), "conv.bias": torch.tensor([1.0, -1.0])}


class Program:
    """What a hostile file holds: unpickled, it makes a folder."""

    def __init__(self, made: Path) -> None:
        self.made = str(made)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.made,)


@pytest.mark.parametrize(
    ("wrapped", "wrapping"),
    [
        (STATE, ()),
        (OrderedDict(STATE), ()),
        ({"state_dict": STATE, "epoch": 3, "best": np.float64(0.9)}, ("state_dict",)),
        ({"model_state_dict": STATE, "optimizer_state_dict": {"state": {}}}, ("model_state_dict",)),
        ({"model": {"state_dict": STATE}}, ("model", "state_dict")),
        ({f"module.{key}": value for key, value in STATE.items()}, ()),
        ({"state_dict": {f"module._orig_mod.{key}": value for key, value in STATE.items()}}, ("state_dict",)),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_wrappings_come_off(tmp_path: Path, wrapped: object, wrapping: tuple[str, ...], zipped: bool) -> None:
    path = tmp_path / "weights.pth"
    torch.save(wrapped, path, _use_new_zipfile_serialization=zipped)

    checkpoint = read_checkpoint(path)

    assert checkpoint.wrapping == wrapping
    assert {key: value.tolist() for key, value in checkpoint.state.items()} == {
        key: value.tolist() for key, value in STATE.items()
    }
    assert (checkpoint.framework, checkpoint.sha256) == ("torch", hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_all_numbers_become_float32(tmp_path: Path, dtype: torch.dtype) -> None:
    path = tmp_path / "half.safetensors"
    save_file({"weight": torch.tensor([0.5, -2.0], dtype=dtype), "count": torch.tensor(7)}, path)

    checkpoint = read_checkpoint(path)

    assert checkpoint.framework is None
    assert (checkpoint.state["weight"].dtype, checkpoint.state["weight"].tolist()) == (np.float32, [0.5, -2.0])
    assert checkpoint.state["count"] == 7


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("beside", [False, True])
def test_a_program_is_refused_and_not_run(tmp_path: Path, zipped: bool, beside: bool) -> None:
    program = Program(tmp_path / "pwned")
    path = tmp_path / "weights.pth"
    torch.save(
        {"state_dict": STATE, "extra": program} if beside else program, path, _use_new_zipfile_serialization=zipped
    )

    with pytest.raises(CheckpointError, match=r"would call (posix|nt|os)\.mkdir, which was not done") as raised:
        read_checkpoint(path)

    assert not (tmp_path / "pwned").exists()
    assert "state_dict" in raised.value.hint
    torch.load(path, weights_only=False)  # the file is what it is meant to be
    assert (tmp_path / "pwned").is_dir()


def test_a_bare_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    path = tmp_path / "weights.pkl"
    path.write_bytes(pickle.dumps(Program(tmp_path / "pwned")))

    with pytest.raises(CheckpointError, match=r"weights\.pkl") as raised:
        read_checkpoint(path)
    assert "weights_only" not in str(raised.value), "torch's advice to read it as a program is not passed on"
    assert not (tmp_path / "pwned").exists()


def test_a_whole_model_is_refused_by_the_name_of_its_class(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(torch.nn.Linear(2, 2), path)

    with pytest.raises(CheckpointError, match=r"would call torch\.nn\.modules\.linear\.Linear"):
        read_checkpoint(path)


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors", "h5"])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_a_file_that_is_cut_off_is_said_to_be(tmp_path: Path, kind: str, share: float) -> None:
    path = tmp_path / "weights"
    state = {f"layer{index}.weight": torch.ones(64, 64) for index in range(4)}
    if kind == "safetensors":
        save_file(state, path)
    elif kind == "h5":
        write_keras(path, {f"dense_{index}": {"kernel": np.ones((64, 64))} for index in range(4)})
    else:
        torch.save(state, path, _use_new_zipfile_serialization=kind == "zip")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])

    with pytest.raises(CheckpointError, match="damaged"):
        read_checkpoint(path)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_tensor_that_is_not_finite_is_named(tmp_path: Path, wrong: float) -> None:
    path = tmp_path / "weights.pth"
    torch.save({**STATE, "head.weight": torch.tensor([1.0, wrong])}, path)

    with pytest.raises(CheckpointError, match=r"NaN or infinity in head\.weight\."):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("tensor", "said"),
    [
        (torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), "is quantised"),
        (torch.empty(3, device="meta"), "has a shape and no numbers"),
        (torch.ones(1).expand(10**12), "is one of 1000000000000 numbers, of which the file holds 1"),
        (torch.ones(2, dtype=torch.complex64), "holds complex64"),
        (torch.sparse_coo_tensor(torch.tensor([[0]]), torch.ones(1), (10**13,)), "cannot be held in memory"),
    ],
)
def test_a_tensor_that_is_no_plain_array_is_named(tmp_path: Path, tensor: torch.Tensor, said: str) -> None:
    path = tmp_path / "weights.pth"
    torch.save({**STATE, "head.weight": tensor}, path)

    with pytest.raises(CheckpointError, match=rf"head\.weight in weights\.pth {said}"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"epoch": 3}, "holds no state dict, but epoch"),
        ([1, 2], "holds no state dict, but list"),
        ({}, "holds no state dict, but nothing"),
        ({**STATE, "config": "b0"}, "entries among its tensors that are none: config"),
    ],
)
def test_what_holds_no_weights_is_said_to(tmp_path: Path, held: object, message: str) -> None:
    path = tmp_path / "weights.pth"
    torch.save(held, path)

    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_text("<!doctype html><title>404</title>")
    with pytest.raises(CheckpointError, match="neither a torch checkpoint nor"):
        read_checkpoint(path)
    with pytest.raises(CheckpointError, match="No such file"):
        read_checkpoint(tmp_path / "absent.pth")


def test_keras_files_of_every_age(tmp_path: Path) -> None:
    kernel, bias = np.arange(6.0, dtype=np.float32).reshape(2, 3), np.ones(3, np.float32)
    layers = {"dense_7": {"kernel": kernel, "bias": bias}, "dropout": {}}
    write_keras(tmp_path / "weights.h5", layers)
    write_keras(tmp_path / "model.h5", layers, under="model_weights")
    with h5py.File(tmp_path / "new.weights.h5", "w") as file:
        variables = file.create_group("layers/dense/vars")
        variables.attrs["name"] = "dense_7"
        variables["0"], variables["1"] = kernel, bias
        file["layers/dropout/seed_generator/vars/0"] = np.zeros(2, np.uint32)

    for name in ("weights.h5", "model.h5", "new.weights.h5"):
        checkpoint = read_checkpoint(tmp_path / name)
        assert checkpoint.framework == "keras"
        assert {key: value.tolist() for key, value in checkpoint.state.items()} == {
            "dense_7/kernel": kernel.tolist(),
            "dense_7/bias": bias.tolist(),
        }


@pytest.mark.parametrize("way", ["external", "virtual"])
@pytest.mark.parametrize("age", ["keras 2", "keras 3"])
def test_weights_that_lie_in_another_file_are_not_read(tmp_path: Path, age: str, way: str) -> None:
    (secret := tmp_path / "secret").write_bytes(np.full(6, 4321.0, np.float32).tobytes())
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["held"] = np.full(6, 4321.0, np.float32)
    hostile = tmp_path / "hostile.weights.h5"
    write_keras(hostile, {"dense": {"bias": np.ones(6, np.float32)}})
    with h5py.File(hostile, "a") as file:
        place = file["dense"] if age == "keras 2" else file.create_group("layers/dense/vars")
        key = "dense/kernel:0" if age == "keras 2" else "0"
        file["dense"].attrs["weight_names"] = [b"dense/kernel:0", b"dense/bias:0"]
        if way == "external":
            place.create_dataset(key, (6,), np.float32, external=[(str(secret), 0, 24)])
        else:
            layout = h5py.VirtualLayout((6,), np.float32)
            layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "held", (6,))
            place.create_virtual_dataset(key, layout)
        assert place[key][0] == 4321.0, "HDF5 itself follows it"

    with pytest.raises(CheckpointError, match=r"(kernel:0|vars/0) lie in another file, which was not opened"):
        read_checkpoint(hostile)


def _numbered(path: Path, layers: dict[str, tuple[str, int]], trained: bool = False) -> None:
    """Weights as Keras 3 writes them: each group's layer by name, and how many variables it has."""
    with h5py.File(path, "w") as file:
        for group, (name, count) in layers.items():
            variables = file.create_group(f"layers/{group}/vars")
            variables.attrs["name"] = name
            for index in range(count):
                variables[str(index)] = np.full(2, index, np.float32)
        for index in range(9 if trained else 0):
            file[f"optimizer/vars/{index}"] = np.zeros(2, np.float32)


def test_the_optimizer_of_a_trained_file_is_no_weight(tmp_path: Path) -> None:
    _numbered(tmp_path / "trained.weights.h5", {"dense": ("dense", 2), "cell": ("lstm", 3)}, trained=True)
    keys = set(read_checkpoint(tmp_path / "trained.weights.h5").state)
    assert keys == {"dense/kernel", "dense/bias", "lstm/0", "lstm/1", "lstm/2"}


def test_two_weights_of_one_name_are_refused_by_both_places(tmp_path: Path) -> None:
    _numbered(tmp_path / "new.weights.h5", {"dense": ("dense", 1), "dense_1": ("dense", 1)})
    with pytest.raises(CheckpointError, match="/layers/dense/vars/0 and /layers/dense_1/vars/0 are both"):
        read_checkpoint(tmp_path / "new.weights.h5")

    write_keras(tmp_path / "old.h5", {"dense": {"kernel": np.ones(2)}, "other": {}})
    with h5py.File(tmp_path / "old.h5", "a") as file:
        file["other"].attrs["weight_names"] = [b"more/dense/kernel:0"]
        file["other/more/dense/kernel:0"] = np.zeros(2)
    with pytest.raises(CheckpointError, match="/dense/dense/kernel:0 and /other/more/dense/kernel:0 are both"):
        read_checkpoint(tmp_path / "old.h5")


def test_layers_that_numbering_makes_one_are_refused(tmp_path: Path) -> None:
    write_keras(tmp_path / "old.h5", {"conv2d": {"kernel": np.ones(2)}, "conv2d_0": {"kernel": np.zeros(2)}})
    with pytest.raises(CheckpointError, match=r"conv2d/kernel and conv2d_0/kernel in old\.h5 are the same weight"):
        load_keras(find_architecture("meso4"), read_checkpoint(tmp_path / "old.h5"))


@pytest.mark.parametrize("place", ["flags", "method", "data"])
def test_a_damaged_archive_of_keras_is_said_to_be(tmp_path: Path, place: str) -> None:
    write_keras(tmp_path / "inner.h5", {"dense": {"kernel": np.random.default_rng(0).normal(size=999)}})
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "inner.h5", "model.weights.h5")
    content = bytearray(path.read_bytes())
    central = content.find(b"PK\x01\x02")
    if place == "data":
        content[900:1100] = bytes(200)
    else:
        offset, value = {"flags": (6, 1), "method": (8, 99)}[place]
        content[offset] = content[central + offset + 2] = value
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"model\.keras is damaged"):
        read_checkpoint(path)


def test_torchscript_is_said_to_be_a_program(tmp_path: Path) -> None:
    path = tmp_path / "scripted.pt"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/net.py"):
            archive.writestr(f"scripted/{name}", b"")
    with pytest.raises(CheckpointError, match=r"scripted\.pt is TorchScript") as raised:
        read_checkpoint(path)
    assert "weights_only" not in str(raised.value)


def write_keras(path: Path, layers: dict[str, dict[str, Any]], under: str = "/") -> None:
    """Weights as Keras 2 wrote them."""
    with h5py.File(path, "w") as file:
        group = file.require_group(under)
        group.attrs["layer_names"] = [name.encode() for name in layers]
        for name, variables in layers.items():
            layer = group.create_group(name)
            layer.attrs["weight_names"] = [f"{name}/{variable}:0".encode() for variable in variables]
            for variable, value in variables.items():
                layer[f"{name}/{variable}:0"] = value
