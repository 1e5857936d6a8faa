"""An ONNX detector in half precision or in eight bits, and what that changed of its scores and heatmaps."""

from telltale_export.precision.inputs import LabelledInputs, read_inputs
from telltale_export.precision.narrow import DEFAULT_LIMITS, DriftLimits, Kind, Narrowed, heatmap_drift, narrow

__all__ = [
    "DEFAULT_LIMITS",
    "DriftLimits",
    "Kind",
    "LabelledInputs",
    "Narrowed",
    "heatmap_drift",
    "narrow",
    "read_inputs",
]
