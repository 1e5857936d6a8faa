"""Random weights that carry numbers through a network as trained ones do: what conversions are checked with where no
checkpoint is at hand.

Batch norms get the statistics of what flows through them, as training would have left them, and small gains, as
residual networks of this depth are trained from (Goyal 2017). With made-up statistics and gains around one, the 55
blocks of EfficientNet-B7 grow values of 1e4 and rounding along with them: torch's own map in single precision was a
tenth of its range away from that in double precision, and P(fake) was 1.0, on which every runtime agrees. Comparing
runtimes on such weights shows nothing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from telltale_contracts import FaceClip, FrameClip

from telltale_export.architectures import Architecture, Shapes, build
from telltale_export.conversion.probes import probes

_ITEMS = 16
_GAINS = (0.05, 0.35)


def untrained(architecture: Architecture, seed: int = 0, shapes: Shapes | None = None) -> Any:
    """An architecture with random weights, in inference mode; equal seeds give equal weights.

    Args:
        architecture: which; its input says what the statistics are taken from.
        seed: of the weights and of that input.
        shapes: of a checkpoint's tensors, from which widths are read; none builds the published size.

    Returns:
        ``served.Detector`` of a torch architecture, ``keras_served.KerasDetector`` of a Keras one.
    """
    return (
        _keras(architecture, seed, shapes) if architecture.framework == "keras" else _torch(architecture, seed, shapes)
    )


def save_untrained(architecture: Architecture, folder: Path, seed: int = 0) -> Path:
    """A checkpoint of random weights as people save them: a wrapped state dict, or Keras's weights; its path."""
    network = untrained(architecture, seed).network
    if architecture.framework == "keras":
        path = folder / f"{architecture.name}.weights.h5"
        network.save_weights(path)
        return path
    import torch  # noqa: PLC0415 - heavy

    path = folder / f"{architecture.name}.pth"
    torch.save({"state_dict": {f"module.{key}": value for key, value in network.state_dict().items()}}, path)
    return path


def of_short_clips(architecture: Architecture, frames: int = 16) -> Architecture:
    """The architecture with no more frames in a clip: as large a network, whose answer takes seconds, not minutes."""
    spec = architecture.input
    if isinstance(spec, FaceClip | FrameClip) and spec.frames > frames:
        return replace(architecture, input=spec.model_copy(update={"frames": frames}))
    return architecture


def _torch(architecture: Architecture, seed: int, shapes: Shapes | None) -> Any:
    import torch  # noqa: PLC0415 - heavy

    torch.manual_seed(seed)
    detector = build(architecture, shapes).eval()
    kinds = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d, torch.nn.BatchNorm3d)
    norms = [module for module in detector.modules() if isinstance(module, kinds)]
    for norm in norms:
        if norm.weight is not None:
            torch.nn.init.uniform_(norm.weight, *_GAINS)
        norm.momentum = 1.0  # the statistics of the last batch, and nothing of what was there before
        norm.train()
    if norms:
        with torch.inference_mode():
            detector(torch.from_numpy(probes(architecture.input, _ITEMS, seed)))
    return detector.eval()


def _keras(architecture: Architecture, seed: int, shapes: Shapes | None) -> Any:
    import keras  # noqa: PLC0415 - three seconds

    keras.utils.set_random_seed(seed)
    detector = build(architecture, shapes)
    for layer in detector.network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            if layer.scale:
                layer.gamma.assign(keras.random.uniform(layer.gamma.shape, *_GAINS))
            layer.momentum = 0.0  # here the share of what was there before
    detector.served(probes(architecture.input, _ITEMS, seed), training=True)
    return detector
