"""A Keras detector as a SavedModel for TensorFlow Serving, with requests that warm it up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from telltale_contracts import DetectorManifest
from telltale_tfserving import PredictRequest, encode_tensor

from telltale_export.architectures.keras_served import KerasDetector

WARM_UP_FILE = "assets.extra/tf_serving_warmup_requests"
_PREDICT_LOG, _REQUEST = 6, 1  # fields of tensorflow.serving.PredictionLog and PredictLog
_MESSAGE = 2  # protobuf's wire type of a message in a message


def keras_to_saved_model(
    detector: KerasDetector, folder: Path, manifest: DetectorManifest, probe: NDArray[np.generic]
) -> Path:
    """Write a SavedModel into a folder, which is made.

    Args:
        detector: with its weights.
        folder: where to write.
        manifest: the names of its tensors, and of the detector, which the warm-up requests are addressed to.
        probe: items to warm it up with: one, and as many as are given.
    """
    tensors = manifest.tensors
    # Not keras.export.ExportArchive: it writes every variable twice (Keras 3.15).
    served = tf.Module()
    served.kept = [variable.value for variable in detector.network.variables]
    serve = tf.function(
        lambda pictures: detector.served(pictures, training=False),
        input_signature=[tf.TensorSpec((None, *probe.shape[1:]), tf.uint8, name=tensors.input)],
    )
    served.serve = serve
    tf.saved_model.save(served, str(folder), signatures={tensors.signature: serve.get_concrete_function()})
    path = folder / WARM_UP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in warm_up_records(manifest, probe):
            writer.write(record)
    return folder


def warm_up_records(manifest: DetectorManifest, probe: NDArray[np.generic]) -> Iterator[bytes]:
    """PredictionLog messages, as TensorFlow Serving replays them before it says that a version is available."""
    for items in (probe[:1], probe):
        request = PredictRequest()
        request.model_spec.name = manifest.name
        request.model_spec.signature_name = manifest.tensors.signature
        request.inputs[manifest.tensors.input].CopyFrom(encode_tensor(items))
        yield _message(_PREDICT_LOG, _message(_REQUEST, request.SerializeToString()))


def _message(field: int, content: bytes) -> bytes:
    """A protobuf message that holds another in one field; that of TensorFlow Serving would bring all of its own."""
    size, rest = b"", len(content)
    while rest > 127:
        size, rest = size + bytes([rest & 127 | 128]), rest >> 7
    return bytes([field << 3 | _MESSAGE]) + size + bytes([rest]) + content
