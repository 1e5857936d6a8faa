"""One loaded version of a model: its signatures, and how to call them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from telltale_tfserving import SignatureDef, SignatureDefMap
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from telltale_local.standin._status import FailedPrecondition, InvalidArgument, ServingError

DEFAULT_SIGNATURE = "serving_default"
SERVE = "serve"


@dataclass(frozen=True)
class Servable:
    """A SavedModel in memory."""

    version: int
    signatures: SignatureDefMap
    _functions: Mapping[str, Any]

    @classmethod
    def load(cls, folder: Path, version: int) -> Servable:
        """Load a version from its folder.

        Raises:
            ServingError: it is not a SavedModel with the tag ``serve``, or cannot be loaded.
        """
        try:
            loaded = tf.saved_model.load(str(folder), tags=[SERVE])
            return cls(version, _signatures_on_disk(folder), dict(loaded.signatures))
        except (OSError, ValueError, RuntimeError, tf.errors.OpError) as error:
            raise ServingError(f"Could not load {folder}: {error}") from error

    def signature(self, name: str) -> SignatureDef:
        """One signature, ``serving_default`` when ``name`` is empty.

        Raises:
            FailedPrecondition: there is none of that name.
        """
        name = name or DEFAULT_SIGNATURE
        if name not in self._functions:
            raise FailedPrecondition(f'Serving signature key "{name}" not found.')
        return self.signatures.signature_def[name]

    def run(
        self, signature_name: str, inputs: Mapping[str, NDArray[Any]], wanted: Collection[str] = ()
    ) -> dict[str, NDArray[Any]]:
        """Call a signature; all of its outputs when ``wanted`` is empty.

        Raises:
            FailedPrecondition: there is no such signature.
            InvalidArgument: the inputs do not fit it, or it has no such output.
            ServingError: the graph failed.
        """
        signature = self.signature(signature_name)
        unknown = sorted(set(wanted) - set(signature.outputs))
        if unknown:
            raise InvalidArgument(
                f"output tensor alias not found in signature: {unknown[0]} Outputs expected: "
                f"{{{','.join(sorted(signature.outputs))}}}."
            )
        _check(signature, inputs)
        function = self._functions[signature_name or DEFAULT_SIGNATURE]
        try:
            outputs = function(**{name: tf.constant(array) for name, array in inputs.items()})
        except tf.errors.InvalidArgumentError as error:
            raise InvalidArgument(error.message) from error
        except tf.errors.OpError as error:
            raise ServingError(error.message) from error
        return {name: outputs[name].numpy() for name in (wanted or signature.outputs)}


def _check(signature: SignatureDef, inputs: Mapping[str, NDArray[Any]]) -> None:
    extra, missing = sorted(set(inputs) - set(signature.inputs)), sorted(set(signature.inputs) - set(inputs))
    if extra or missing:
        raise InvalidArgument(
            f"input size does not match signature: {len(inputs)}!={len(signature.inputs)}. "
            f"Sent extra: {{{','.join(extra)}}}. Missing but required: {{{','.join(missing)}}}."
        )
    for name, array in inputs.items():
        info = signature.inputs[name]
        expected = tf.as_dtype(info.dtype)
        if np.dtype(expected.as_numpy_dtype) != array.dtype:
            raise InvalidArgument(f"input {name} must be {expected.name}, not {array.dtype}")
        shape = tf.TensorShape(None if info.tensor_shape.unknown_rank else _dims(info))
        if not shape.is_compatible_with(array.shape):
            raise InvalidArgument(f"input {name} must have the shape {shape}, not {list(array.shape)}")


def _dims(info: Any) -> list[int | None]:
    return [dim.size if dim.size >= 0 else None for dim in info.tensor_shape.dim]


def _signatures_on_disk(folder: Path) -> SignatureDefMap:
    # The loaded object keeps functions, not their SignatureDefs, which clients are to see as they were saved.
    saved = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    graph = next(graph for graph in saved.meta_graphs if SERVE in graph.meta_info_def.tags)
    signatures = SignatureDefMap()
    for name, signature in graph.signature_def.items():
        signatures.signature_def[name].MergeFromString(signature.SerializeToString())
    return signatures
