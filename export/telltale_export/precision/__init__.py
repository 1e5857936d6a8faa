"""An ONNX detector in half precision or in eight bits, and what that changed of its scores."""

from telltale_export.precision.inputs import LabelledInputs, read_inputs
from telltale_export.precision.narrow import DEFAULT_LIMITS, Kind, Narrowed, narrow

__all__ = ["DEFAULT_LIMITS", "Kind", "LabelledInputs", "Narrowed", "narrow", "read_inputs"]
