"""When a probability becomes a word: the one rule, of a medium, of one of its frames, and of several media."""

from __future__ import annotations

from telltale_gateway.analysis.verdict import Label


def label_of(score: float, *, threshold: float, uncertain: tuple[float, float]) -> Label:
    """The word for P(fake): none inside the band ``uncertain``, its ends excluded; else fake from ``threshold`` on."""
    low, high = uncertain
    if low < score < high:
        return "uncertain"
    return "fake" if score >= threshold else "real"
