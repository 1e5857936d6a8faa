"""EfficientNet (Tan and Le 2019) of timm with two classes, and as the DFDC winner's encoder with one."""

from __future__ import annotations

from telltale_contracts import InputSpec
from torch import Tensor, nn

from telltale_export.architectures.architecture import Shapes
from telltale_export.architectures.networks.class_activation import PooledDetector
from telltale_export.architectures.networks.timm_models import timm_model
from telltale_export.architectures.served import IMAGENET_MEAN, IMAGENET_STD, Normalise


def build(spec: InputSpec, shapes: Shapes | None, *, backbone: str, encoder: bool = False) -> PooledDetector:
    """The detector of one of timm's EfficientNets.

    Args:
        spec: face crops; the network takes any size.
        shapes: of the checkpoint; of an encoder they say whether its own classifier is in the file.
        backbone: timm's name of it.
        encoder: whether it is the ``encoder`` of a network with a ``fc`` of one output.
    """
    del spec
    normalise = Normalise(IMAGENET_MEAN, IMAGENET_STD)
    if not encoder:
        network = timm_model(backbone, num_classes=2)
        return PooledDetector(network, normalise, network.forward_features, network.classifier)
    classes = (shapes or {}).get("encoder.classifier.weight", (0,))[0]
    encoded = EncoderClassifier(backbone, classes)
    return PooledDetector(encoded, normalise, encoded.encoder.forward_features, encoded.fc)


class EncoderClassifier(nn.Module):
    """``fc`` over the pooled maps of ``encoder``; the encoder's own ImageNet classifier takes no part."""

    def __init__(self, backbone: str, classes: int) -> None:
        super().__init__()
        self.encoder = timm_model(backbone, num_classes=classes)
        self.fc = nn.Linear(self.encoder.num_features, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        """The logit of P(fake), float32 [N, 1], of normalised planes."""
        logit: Tensor = self.fc(self.encoder.forward_features(pictures).mean(dim=(2, 3)))
        return logit
