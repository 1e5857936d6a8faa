"""A checkpoint in the framework that it was trained in: what every conversion of it must agree with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from telltale_export.architectures import Architecture
from telltale_export.checkpoints import Checkpoint, load_keras, load_torch

Answers = Mapping[str, NDArray[np.float32]]
# Torch gives large maps back to the system after each layer: twelve items of AASIST took 24 s together, 6 s one by one.
_BATCH = {"keras": 8, "torch": 1}


@dataclass(frozen=True)
class Source:
    """A detector with a checkpoint's weights: ``served.Detector`` or ``keras_served.KerasDetector``."""

    architecture: Architecture
    checkpoint: Checkpoint
    detector: Any

    @property
    def parameters(self) -> int:
        """How many numbers were trained, or are kept as statistics."""
        if self.architecture.framework == "keras":
            return int(self.detector.network.count_params())
        return sum(p.numel() for p in self.detector.network.parameters())

    @property
    def framework(self) -> str:
        """Name and version of the framework that answers."""
        if self.architecture.framework == "keras":
            import keras  # noqa: PLC0415 - three seconds

            return f"keras {keras.__version__}"
        import torch  # noqa: PLC0415 - heavy

        return f"torch {torch.__version__.partition('+')[0]}"

    def answer(self, inputs: NDArray[np.generic]) -> Answers:
        """What the framework itself answers to items [N, ...]: ``probability`` [N], ``heatmap`` where there is one."""
        size = _BATCH[self.architecture.framework]
        parts = [self._batch(inputs[start : start + size]) for start in range(0, len(inputs), size)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _batch(self, inputs: NDArray[np.generic]) -> Answers:
        if self.architecture.framework == "keras":
            answered = self.detector.served(inputs, training=False)
            return {name: np.asarray(value, dtype=np.float32) for name, value in answered.items()}
        import torch  # noqa: PLC0415 - heavy

        with torch.inference_mode():
            answered = self.detector(torch.from_numpy(np.array(inputs)))
            return {name: value.float().numpy() for name, value in answered.items()}


def load_source(architecture: Architecture, checkpoint: Checkpoint) -> Source:
    """The architecture with the checkpoint's weights.

    Raises:
        CheckpointError: the checkpoint is of another architecture; the message names the keys.
    """
    if architecture.framework == "keras":
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow tells on stderr that it has no GPU
        return Source(architecture, checkpoint, load_keras(architecture, checkpoint))
    return Source(architecture, checkpoint, load_torch(architecture, checkpoint))
