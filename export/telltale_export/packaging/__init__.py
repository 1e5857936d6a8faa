"""Publish a version of a detector: checked, with its card and golden scores, visible all at once or not at all."""

from telltale_export.packaging.check import VersionReport, check_repository, check_version
from telltale_export.packaging.documents import read_document
from telltale_export.packaging.onnx_checks import MAX_IR, MAX_OPSET, check_answers, check_onnx
from telltale_export.packaging.runtime import onnx_runtime
from telltale_export.packaging.scoring import Scorer, answer_artifact, score_artifact
from telltale_export.packaging.tensors import item_shape, item_type
from telltale_export.packaging.triton_config import OutputDims, triton_config, triton_load_config
from telltale_export.packaging.versions import (
    ONNX_FILE,
    SAVED_MODEL_FILE,
    VersionDraft,
    next_version,
    require_new_version,
    require_writable,
    write_version,
)

__all__ = [
    "MAX_IR",
    "MAX_OPSET",
    "ONNX_FILE",
    "SAVED_MODEL_FILE",
    "OutputDims",
    "Scorer",
    "VersionDraft",
    "VersionReport",
    "answer_artifact",
    "check_answers",
    "check_onnx",
    "check_repository",
    "check_version",
    "item_shape",
    "item_type",
    "next_version",
    "onnx_runtime",
    "read_document",
    "require_new_version",
    "require_writable",
    "score_artifact",
    "triton_config",
    "triton_load_config",
    "write_version",
]
