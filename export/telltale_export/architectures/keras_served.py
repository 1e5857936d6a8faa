"""What every Keras architecture is served as: raw input in, P(fake) out, normalisation inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class KerasDetector:
    """A published Keras network as it is served.

    Attributes:
        network: a ``keras.Model`` whose layers are those of the published file, in the order in which its author made
            them (that is how Keras numbers them).
        served: a ``keras.Model`` around it: raw input to ``{"probability": float32 [N]}``, and ``"heatmap"``: float32
            [N, h, w] where the architecture has one.
    """

    network: Any
    served: Any
