"""What media go through on their way to us, done to both classes alike, to see what is left of a detector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from telltale_export.data import Modality
from telltale_export.evaluation.treatments.films import film_treatments
from telltale_export.evaluation.treatments.pictures import picture_treatments
from telltale_export.evaluation.treatments.sounds import sound_treatments

__all__ = ["Treatment", "treatments_of"]


@dataclass(frozen=True)
class Treatment:
    """One thing that is done to media of one kind; ``apply`` gives the content of the treated file."""

    name: str
    suffix: str
    apply: Callable[[Path], bytes]


def treatments_of(modality: Modality) -> tuple[Treatment, ...]:
    """What is done to media of a kind."""
    makers = {"image": picture_treatments, "video": film_treatments, "audio": sound_treatments}
    return tuple(Treatment(name, suffix, apply) for name, (suffix, apply) in makers[modality]().items())
