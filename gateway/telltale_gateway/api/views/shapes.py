"""What the models of all views have in common."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

from telltale_gateway.analysis import Verdict
from telltale_gateway.analysis.verdict import Label

Word = Literal["FAKE", "REAL", "UNCERTAIN"]
_WORDS: dict[Label, Word] = {"fake": "FAKE", "real": "REAL", "uncertain": "UNCERTAIN"}


class View(BaseModel):
    """An answer of which every field is documented, and none is left out."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


def word(label: Label) -> Word:
    """A label as the views write it."""
    return _WORDS[label]


def seconds(verdict: Verdict) -> float:
    """How long the analysis took, upload included."""
    return verdict.latency_ms / 1000.0
