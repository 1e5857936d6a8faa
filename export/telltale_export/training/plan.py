"""The file that says how a network is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from telltale_contracts import read_yaml

from telltale_export.errors import DataError

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Cosine(_Part):
    """Up in a straight line over the first part of all steps, then down along a cosine to a hundredth."""

    kind: Literal["cosine"] = "cosine"
    warmup: Share = 0.05


class Step(_Part):
    """Times ``factor`` after every so many epochs."""

    kind: Literal["step"]
    every: int = Field(ge=1)
    factor: float = Field(default=0.1, gt=0.0, lt=1.0)


class Plateau(_Part):
    """Times ``factor`` when the loss on the calibration split has not fallen for so many epochs."""

    kind: Literal["plateau"]
    patience: int = Field(ge=0)
    factor: float = Field(default=0.3, gt=0.0, lt=1.0)


class Augmentation(_Part):
    """What is done to an item, of whichever class: how often, of pictures and clips; how strongly, of sounds.

    ``self_blend``: how often a genuine face blended with itself stands for a forged one; of face crops only.
    """

    flip: Share = 0.5
    colour: Share = 0.5
    resize: Share = 0.3
    blur: Share = 0.2
    jpeg: Share = 0.5
    channel: Share = 0.7
    self_blend: Share = 0.0


class Plan(_Part):
    """Everything that decides a training; the same plan, shards and machine give the same network.

    ``balance``: "sampling" draws both classes equally often, "weights" draws every medium once an epoch and weighs the
    loss, "none" does neither. ``average``: of the moving average, per step. ``early_stopping``: epochs without a better
    loss on the calibration split. ``tensor_cores``: products of 19 bits (TF32) on a GPU, sums in 32.
    ``mixed_precision``: of torch on a GPU, products of 16 bits where they are enough; the weights keep 32.
    """

    architecture: str
    small: bool = Field(default=False, description="at the reduced width that tests convert")
    start_from: Path | None = Field(default=None, description="a checkpoint of the same architecture")
    epochs: int = Field(default=20, ge=1)
    batch: int = Field(default=16, ge=2)
    learning_rate: float = Field(default=3e-4, gt=0.0)
    weight_decay: float = Field(default=1e-2, ge=0.0)
    schedule: Annotated[Cosine | Step | Plateau, Field(discriminator="kind")] = Cosine()
    balance: Literal["sampling", "weights", "none"] = "sampling"
    augmentation: Augmentation = Augmentation()
    average: float = Field(default=0.998, ge=0.0, lt=1.0)
    early_stopping: int | None = Field(default=5, ge=1)
    tensor_cores: bool = True
    mixed_precision: bool = True
    tensorboard: bool = False
    seed: int = Field(default=0, ge=0)


def read_plan(path: Path) -> Plan:
    """Read a plan from YAML.

    Raises:
        DataError: it is not there, or says something that a plan does not have.
    """
    try:
        return Plan.model_validate(read_yaml(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DataError(
            f"{path} cannot be read: {' '.join(str(error).split())}.", "Give a YAML file; docs/training.md has one."
        ) from error
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in error.errors())
        raise DataError(f"{path}: {said}.", "docs/training.md has every field.") from error
