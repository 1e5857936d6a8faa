"""Checkpoints as people have them: read without running anything in them, and matched to a network key by key."""

from telltale_export.checkpoints.keras_weights import load_keras
from telltale_export.checkpoints.matching import match
from telltale_export.checkpoints.reading import Checkpoint, read_checkpoint
from telltale_export.checkpoints.torch_weights import load_torch

__all__ = ["Checkpoint", "load_keras", "load_torch", "match", "read_checkpoint"]
