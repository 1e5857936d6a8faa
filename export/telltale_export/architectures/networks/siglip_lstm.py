"""SigLIP's vision model (Zhai 2023) over the frames of a video and a bidirectional LSTM over its pooled outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from telltale_contracts import FrameClip, InputSpec
from torch import Tensor, nn

from telltale_export.architectures.architecture import Array, Shapes
from telltale_export.architectures.networks.class_activation import renamed
from telltale_export.architectures.networks.clips import ClipDetector, last_states, lstm_of, outputs_of, per_frame
from telltale_export.architectures.served import Normalise

_HALF = (0.5, 0.5, 0.5)
_IMAGE_HIDDEN = 512


def build(
    spec: InputSpec,
    shapes: Shapes | None,
    *,
    hidden_head: bool,
    width: int = 768,
    depth: int = 12,
    lstm_hidden: int = 512,
) -> ClipDetector:
    """The detector; ``hidden_head`` is v4, whose heads have a hidden layer."""
    size = spec.size if isinstance(spec, FrameClip) else 224
    network = SiglipLstm(shapes, _vision_model(size, width, depth), lstm_hidden, hidden_head=hidden_head)
    return ClipDetector(network, Normalise(_HALF, _HALF))


class SiglipLstm(nn.Module):
    """``siglip_backbone`` over the frames, ``lstm`` over what it pools, ``video_classifier`` on the final states.

    ``image_classifier`` is in every checkpoint and takes no part in the score of a video.
    """

    def __init__(self, shapes: Shapes | None, backbone: Any, lstm_hidden: int, *, hidden_head: bool) -> None:
        super().__init__()
        self.siglip_backbone = backbone
        width = backbone.config.hidden_size
        self.lstm = lstm_of(shapes, width, lstm_hidden, layers=2, bidirectional=True)
        both = outputs_of(self.lstm)
        if hidden_head:
            self.video_classifier: nn.Module = _hidden(both, self.lstm.hidden_size)
            self.image_classifier: nn.Module = _hidden(width, _IMAGE_HIDDEN)
        else:
            self.video_classifier, self.image_classifier = nn.Linear(both, 1), nn.Linear(width, 1)

    def forward(self, clips: Tensor) -> Tensor:
        """The logit of P(fake), float32 [N, 1], of normalised planes [N, T, 3, H, W]."""
        steps = per_frame(clips, self._pooled)
        logit: Tensor = self.video_classifier(last_states(self.lstm, steps))
        return logit

    def _pooled(self, pictures: Tensor) -> Tensor:
        pooled: Tensor = self.siglip_backbone(pixel_values=pictures).pooler_output
        return pooled


def _hidden(inputs: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(), nn.Linear(hidden, 1))


def _vision_model(size: int, width: int, depth: int) -> Any:
    from transformers import SiglipVisionConfig, SiglipVisionModel  # noqa: PLC0415 - two seconds to import

    config = SiglipVisionConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=depth,
        num_attention_heads=width // 64,
        image_size=size,
        patch_size=16,
    )
    config._attn_implementation = "eager"  # noqa: SLF001 - its plain products are what every runtime has
    return SiglipVisionModel(config)


def translate(state: Mapping[str, Array]) -> dict[str, Array]:
    """Some files name the vision model within the whole one; ``position_ids`` counts the patches and is no weight."""
    named = renamed(state, {"siglip_backbone.vision_model.": "siglip_backbone."})
    return {key: tensor for key, tensor in named.items() if not key.endswith("embeddings.position_ids")}
