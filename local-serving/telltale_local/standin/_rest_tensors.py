"""JSON to tensors and back: ``instances`` item by item, ``inputs`` tensor by tensor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from telltale_tfserving import SignatureDef

from telltale_local.standin._servable import Servable
from telltale_local.standin._status import InvalidArgument


def predict(servable: Servable, document: Any) -> dict[str, Any]:
    """Answer one ``:predict`` body.

    Raises:
        InvalidArgument: the body is not of either form, or does not fit the signature.
        ServingError: as Servable.run.
    """
    if not isinstance(document, dict) or ("instances" in document) == ("inputs" in document):
        raise InvalidArgument("Request must be a JSON object with either 'instances' or 'inputs'")
    name = str(document.get("signature_name", ""))
    signature = servable.signature(name)
    if "inputs" in document:
        return {"outputs": _columns(servable.run(name, _from_columns(signature, document["inputs"])))}
    return {"predictions": _rows(servable.run(name, _from_rows(signature, document["instances"])))}


def _from_columns(signature: SignatureDef, inputs: Any) -> dict[str, NDArray[Any]]:
    if not isinstance(inputs, Mapping):
        inputs = {_only(signature.inputs): inputs}
    return {str(name): _array(signature, str(name), values) for name, values in inputs.items()}


def _from_rows(signature: SignatureDef, instances: Any) -> dict[str, NDArray[Any]]:
    if not isinstance(instances, list) or not instances:
        raise InvalidArgument("'instances' must be a list that is not empty")
    if not all(isinstance(row, Mapping) for row in instances):
        return {_only(signature.inputs): _array(signature, _only(signature.inputs), instances)}
    names = set(instances[0])
    if any(set(row) != names for row in instances):
        raise InvalidArgument("every instance must have the same keys")
    return {name: _array(signature, name, [row[name] for row in instances]) for name in names}


def _array(signature: SignatureDef, name: str, values: Any) -> NDArray[Any]:
    if name not in signature.inputs:
        raise InvalidArgument(f"the signature has no input {name}; it has {', '.join(sorted(signature.inputs))}")
    try:
        return np.array(values, tf.as_dtype(signature.inputs[name].dtype).as_numpy_dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidArgument(f"input {name} cannot be read: {error}") from error


def _only(tensors: Mapping[str, Any]) -> str:
    if len(tensors) != 1:
        raise InvalidArgument(f"the signature has {len(tensors)} inputs, so each value must be named")
    return next(iter(tensors))


def _columns(outputs: Mapping[str, NDArray[Any]]) -> Any:
    return next(iter(outputs.values())).tolist() if len(outputs) == 1 else {k: v.tolist() for k, v in outputs.items()}


def _rows(outputs: Mapping[str, NDArray[Any]]) -> list[Any]:
    if len(outputs) == 1:
        rows: list[Any] = next(iter(outputs.values())).tolist()
        return rows
    return [dict(zip(outputs, row, strict=True)) for row in zip(*(v.tolist() for v in outputs.values()), strict=True)]
