"""An LSTM over chromaticity histograms of one face."""

from __future__ import annotations

from telltale_contracts import ChromaHistogram, InputSpec
from torch import Tensor, nn

from telltale_export.architectures.architecture import Shapes
from telltale_export.architectures.networks.class_activation import width_of
from telltale_export.architectures.networks.clips import fake_probability, lstm_of, outputs_of
from telltale_export.architectures.served import Detector


def build(spec: InputSpec, shapes: Shapes | None, *, hidden: int = 64) -> Detector:
    """The detector; its histograms come from 0 to 255, as it was trained."""
    bins = spec.bins if isinstance(spec, ChromaHistogram) else 32
    return HistogramDetector(HistogramLstm(shapes, bins * bins, hidden))


class HistogramDetector(Detector):
    """float32 [N, T, bins, bins] to P(fake), float32 [N]."""

    def forward(self, served: Tensor) -> dict[str, Tensor]:
        """The answers for a batch of clips."""
        return {"probability": fake_probability(self.network(served))}


class HistogramLstm(nn.Module):
    """``lstm`` over the flattened histograms, ``fc1`` and ``fc2`` on its last step."""

    def __init__(self, shapes: Shapes | None, inputs: int, hidden: int) -> None:
        super().__init__()
        self.lstm = lstm_of(shapes, inputs, hidden)
        self.fc1 = nn.Linear(outputs_of(self.lstm), width_of(shapes, "fc1.weight", 32))
        self.relu = nn.ReLU()
        self.fc2 = nn.Linear(self.fc1.out_features, 1)

    def forward(self, histograms: Tensor) -> Tensor:
        """The logit of P(fake), float32 [N, 1]."""
        steps, _ = self.lstm(histograms.flatten(2))
        logit: Tensor = self.fc2(self.relu(self.fc1(steps[:, -1])))
        return logit
