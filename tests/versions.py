"""Write versions of the toy detectors of tests/toys.py: good ones that differ, and one for each way to be bad.

``.venvs/models/bin/python tests/versions.py TOYS DIR [--scaled N]`` writes ``DIR/<detector>/<kind>/``, each a version's
folder with a card that describes its bytes. The card's number is 1; whoever puts it into a repository writes another
one there.

Of toy-face (ONNX): ``good``, ``drifting`` (says the opposite of what the first says of a dark face, and gives golden
scores of its own), ``erring`` (fails on smooth pictures, which its golden inputs are not), ``slow``, ``wrong-input``,
``outside``, ``nan``, ``off``, ``operator``. Of toy-synthesis (SavedModel): ``good``, ``wrong-input``, ``outside``,
``nan``, ``off``, ``signature``. With ``--scaled`` of both also ``scaled-1`` to ``scaled-N``: the first one's scores
times a factor of each one's own, from just below 1 down to 0.4, so that a score tells which of them gave it.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from numpy.typing import NDArray
from onnx import TensorProto, helper
from safetensors.numpy import load_file
from telltale_contracts import CARD_FILE, GOLDEN_FILE, artifact_digest, artifact_files

SIZE = 64
Scores = Callable[[NDArray[np.float64]], NDArray[np.float64]]


def main() -> None:
    """Write all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("toys", type=Path)
    parser.add_argument("root", type=Path)
    parser.add_argument("--scaled", type=int, default=0, help="how many versions that differ by a factor")
    options = parser.parse_args()
    factors = {
        f"scaled-{i}": float(factor) for i, factor in enumerate(np.linspace(1.0, 0.4, options.scaled + 1)) if i > 0
    }
    write_faces(options.toys / "toy-face/1", options.root / "toy-face", factors)
    write_syntheses(options.toys / "toy-synthesis/1", options.root / "toy-synthesis", factors)


def write_faces(first: Path, home: Path, factors: Mapping[str, float]) -> None:
    """The ONNX versions; P is made of ``share``, the picture's mean brightness."""
    node, constant = helper.make_node, _constant
    identity = node("Identity", ["share"], ["p"])
    graphs: dict[str, tuple[list[Any], list[Any], str]] = {
        "wrong-input": ([identity], [], "pixels"),
        "outside": ([node("Add", ["share", "k"], ["p"])], [constant("k", np.float32(1.5))], "image"),
        "nan": (
            [node("Sub", ["share", "k"], ["negative"]), node("Sqrt", ["negative"], ["p"])],
            [constant("k", np.float32(2.0))],
            "image",
        ),
        "operator": ([node("Divine", ["share"], ["p"], domain="nowhere")], [], "image"),
        "drifting": ([node("Sub", ["k", "share"], ["p"])], [constant("k", np.float32(1.0))], "image"),
        "slow": (*_slow(), "image"),
        "erring": (*_erring(), "image"),
    }
    scores: dict[str, Scores] = {"drifting": lambda p: 1.0 - p}
    for kind, factor in {"good": 0.999, **factors}.items():
        graphs[kind] = ([node("Mul", ["share", "k"], ["p"])], [constant("k", np.float32(factor))], "image")
        scores[kind] = partial(np.multiply, factor)
    for kind, (nodes, constants, name) in graphs.items():
        place = _copied(first, home / kind)
        _save(place / "model.onnx", nodes, constants, name)
        _describe(place, scores.get(kind, lambda p: p))
    _describe(_copied(first, home / "off"), lambda p: 1.0 - p / 2)


def write_syntheses(first: Path, home: Path, factors: Mapping[str, float]) -> None:
    """The SavedModel versions."""
    import tensorflow as tf  # noqa: PLC0415 takes seconds

    def save(kind: str, score: Callable[[Any], Any], name: str = "image", signature: str = "serving_default") -> Path:
        place = _copied(first, home / kind)
        shutil.rmtree(place / "variables")

        class Toy(tf.Module):  # type: ignore[misc, unused-ignore]
            @tf.function(input_signature=[tf.TensorSpec([None, SIZE, SIZE, 3], tf.uint8, name=name)], autograph=False)
            def serve(self, image: Any) -> dict[str, Any]:
                mean = tf.reduce_mean(tf.cast(image, tf.float32), axis=[1, 2, 3]) / 255.0
                return {"probability": tf.expand_dims(score(mean), 1)}

        module = Toy()
        tf.saved_model.save(module, str(place), signatures={signature: module.serve})
        (place / "fingerprint.pb").unlink(missing_ok=True)
        return place

    def save_scaled(kind: str, factor: float) -> None:
        _describe(save(kind, lambda p: factor * (1.0 - p)), lambda p: factor * (1.0 - p))

    for kind, factor in {"good": 0.999, **factors}.items():
        save_scaled(kind, factor)
    _describe(save("outside", lambda p: p + 1.5), lambda p: 1.0 - p)
    _describe(save("nan", lambda p: tf.sqrt(p - 2.0)), lambda p: 1.0 - p)
    _describe(save("signature", lambda p: 1.0 - p, signature="judge"), lambda p: 1.0 - p)
    _describe(save("wrong-input", lambda p: 1.0 - p, name="pixels"), lambda p: 1.0 - p)
    _describe(_copied(first, home / "off"), lambda p: p / 2)


def _slow() -> tuple[list[Any], list[Any]]:
    """The same scores after matrix products that depend on the picture, so that none can be left out."""
    side, times = 512, 96
    nodes = [
        helper.make_node("ReduceMean", ["share"], ["all"], axes=[0], keepdims=0),
        helper.make_node("Expand", ["all", "square"], ["m0"]),
    ]
    nodes += [helper.make_node("MatMul", [f"m{i}", "eye"], [f"m{i + 1}"]) for i in range(times)]
    nodes += [
        helper.make_node("ReduceMean", [f"m{times}"], ["after"], axes=[0, 1], keepdims=0),
        helper.make_node("Sub", ["after", "all"], ["nothing"]),
        helper.make_node("Add", ["share", "nothing"], ["p"]),
    ]
    return nodes, [_constant("square", np.array([side, side])), _constant("eye", np.eye(side, dtype=np.float32))]


def _erring() -> tuple[list[Any], list[Any]]:
    """Looks a number up under 0 for noise and under 1, which is not there, for a picture whose neighbours are alike."""
    node = helper.make_node
    nodes = [
        node("Slice", ["float", "one", "end", "axis"], ["right"]),
        node("Slice", ["float", "zero", "last", "axis"], ["left"]),
        node("Sub", ["right", "left"], ["steps"]),
        node("Abs", ["steps"], ["sizes"]),
        node("ReduceMean", ["sizes"], ["step"], axes=[0, 1, 2, 3], keepdims=0),
        node("ReduceMean", ["mean"], ["level"], axes=[0], keepdims=0),
        node("Mul", ["level", "third"], ["limit"]),
        node("Less", ["step", "limit"], ["smooth"]),
        node("Cast", ["smooth"], ["where"], to=TensorProto.INT64),
        node("Gather", ["table", "where"], ["factor"]),
        node("Mul", ["share", "factor"], ["p"]),
    ]
    numbers = {"one": [1], "end": [SIZE], "zero": [0], "last": [SIZE - 1], "axis": [2]}
    constants = [_constant(name, np.array(value, np.int64)) for name, value in numbers.items()]
    return nodes, [*constants, _constant("third", np.float32(0.33)), _constant("table", np.ones(1, np.float32))]


def _constant(name: str, array: Any) -> Any:
    return onnx.numpy_helper.from_array(np.asarray(array), name)


def _save(path: Path, nodes: list[Any], constants: list[Any], source: str) -> None:
    before = [
        helper.make_node("Cast", [source], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Div", ["mean", "white"], ["share"]),
    ]
    after = [helper.make_node("Unsqueeze", ["p", "second"], ["probability"])]
    always = [_constant("white", np.float32(255)), _constant("second", np.array([1], np.int64))]
    graph = helper.make_graph(
        [*before, *nodes, *after],
        "toy",
        [helper.make_tensor_value_info(source, TensorProto.UINT8, ["N", SIZE, SIZE, 3])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["N", 1])],
        [*constants, *always],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("nowhere", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)


def _copied(first: Path, place: Path) -> Path:
    return shutil.copytree(first, place)


def _describe(place: Path, scores: Scores) -> None:
    """Have the card describe the bytes, and golden scores that are a function of the mean brightness."""
    brightness = load_file(place / GOLDEN_FILE)["input"].mean(axis=(1, 2, 3)) / 255
    card = yaml.safe_load((place / CARD_FILE).read_text(encoding="utf-8"))
    files = artifact_files(place)
    card["artifact"] = {"sha256": artifact_digest(files), "files": files}
    card["golden"]["scores"] = [float(score) for score in scores(brightness)]
    (place / CARD_FILE).write_text(yaml.safe_dump(card), encoding="utf-8")


if __name__ == "__main__":
    main()
