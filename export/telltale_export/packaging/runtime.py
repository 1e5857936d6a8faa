"""ONNX Runtime, told to keep to itself."""

from __future__ import annotations

import os
from types import ModuleType


def onnx_runtime() -> ModuleType:
    """The package ``onnxruntime``, imported when it is needed.

    Its builds report to their maker over the network unless this variable says no before they are imported.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime  # noqa: PLC0415 - heavy

    module: ModuleType = onnxruntime
    return module
