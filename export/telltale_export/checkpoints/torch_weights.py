"""Give a torch network the tensors of a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from telltale_export import architectures
from telltale_export.architectures import Architecture
from telltale_export.checkpoints.matching import match
from telltale_export.checkpoints.reading import Checkpoint
from telltale_export.errors import CheckpointError

if TYPE_CHECKING:
    from telltale_export.architectures.served import Detector


def load_torch(architecture: Architecture, checkpoint: Checkpoint) -> Detector:
    """The architecture's detector with the checkpoint's weights, in inference mode.

    Raises:
        CheckpointError: the checkpoint is of another architecture or framework; the message names the keys.
    """
    import torch  # noqa: PLC0415 - heavy

    if checkpoint.framework == "keras":
        raise CheckpointError(
            f"{checkpoint.name} is a Keras file, and checkpoints of {architecture.name} are torch's.",
            "Name the architecture that it was trained as (telltale-export list).",
        )
    state = architectures.translate(architecture, checkpoint.state)
    detector: Detector = architectures.build(architecture, {key: value.shape for key, value in state.items()})
    held = detector.network.state_dict()
    matched = match(
        state,
        {key: tuple(value.shape) for key, value in held.items()},
        integers={key for key, value in held.items() if not value.is_floating_point()},
        file=checkpoint.name,
        architecture=architecture.name,
    )
    tensors = {key: torch.from_numpy(value) for key, value in matched.items()}
    detector.network.load_state_dict(tensors, strict=False)  # counters of batch norm may be missing, nothing else
    return detector.eval()
