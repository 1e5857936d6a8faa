"""How a batch of tensors becomes scores: one protocol, and the two servers that speak it."""

from telltale_gateway.serving.backend import (
    Backend,
    BackendBusy,
    BackendDied,
    BackendError,
    BackendRefused,
    BackendTimeout,
    BackendUnavailable,
    Explained,
    ModelCall,
    Served,
    Signature,
    Versions,
    Wanted,
)
from telltale_gateway.serving.batching import infer_in_batches
from telltale_gateway.serving.replicas import Replicas
from telltale_gateway.serving.tfserving import TensorFlowServing
from telltale_gateway.serving.triton import Triton

__all__ = [
    "Backend",
    "BackendBusy",
    "BackendDied",
    "BackendError",
    "BackendRefused",
    "BackendTimeout",
    "BackendUnavailable",
    "Explained",
    "ModelCall",
    "Replicas",
    "Served",
    "Signature",
    "TensorFlowServing",
    "Triton",
    "Versions",
    "Wanted",
    "infer_in_batches",
]
