"""The words in which a published architecture is described: what it is, without a line of torch or TensorFlow.

An architecture is two modules. One in ``catalogue`` describes it and imports nothing heavy; the other, in
``networks``, is named by ``Architecture.module`` and is imported when a checkpoint is converted. That one has

    build(spec: InputSpec, shapes: Shapes | None, **options) -> Detector (torch) | KerasDetector (keras)

``spec`` is the input that the graph will be served; ``shapes`` are those of the checkpoint's tensors, by key, after
``translate``: where published checkpoints differ in width or in a head, the builder reads that from them (of a shape
that it cannot use it keeps its own, so that the mismatch is reported by key); without them it builds the published
size. ``options`` are ``Architecture.options``, or ``Reduced.options`` in tests. And, where checkpoints of one
architecture are spelt in several ways,

    translate(state: Mapping[str, Array]) -> dict[str, Array]

takes a checkpoint's tensors by key (numpy arrays; wrappings and ``module.`` already taken off) and answers them with
the keys and shapes of ``Detector.network``. It never drops a key that holds a weight.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from telltale_contracts import Aggregation, Forgery, InputSpec, Sampling

Framework = Literal["torch", "keras"]
Array = NDArray[np.generic]
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Reduced:
    """The same architecture small enough for a test: options of the builder, and the input that goes with them."""

    options: Mapping[str, Any] = field(default_factory=dict)
    input: InputSpec | None = None


@dataclass(frozen=True)
class Architecture:
    """A published architecture whose checkpoints can be served.

    Attributes:
        name: what the command line calls it.
        framework: of the published checkpoints.
        forgery: what a detector of this architecture tests.
        input: exactly what it was trained on.
        paper: where it comes from: authors, year, title.
        convention: one sentence: what the source's output means, and how it becomes P(fake).
        layout: what the checkpoint's keys are called, for someone who looks into a file.
        module: name of the module in ``networks``, without the package.
        options: what the module's ``build`` is given.
        reduced: what makes it small in tests.
        heatmap: whether the graph also answers ``heatmap``: float32 [N, h, w], the class activation map, positive
            where the evidence is for a forgery.
        aggregation: how the scores of its items become one.
        max_batch: items in one call to the server, at most.
        sampling: the frames of a video that it was trained on; none where the default's are like them.
        min_items: fewer usable items than this are too little evidence.
        limits: what a version of it is known not to do, for its card.
    """

    name: str
    framework: Framework
    forgery: Forgery
    input: InputSpec
    paper: str
    convention: str
    layout: str
    module: str
    options: Mapping[str, Any] = field(default_factory=dict)
    reduced: Reduced = field(default_factory=Reduced)
    heatmap: bool = False
    aggregation: Aggregation = field(default_factory=Aggregation)
    max_batch: int = 32
    sampling: Sampling | None = None
    min_items: int = 1
    limits: tuple[str, ...] = ()

    def at_reduced_width(self) -> Architecture:
        """The same architecture, small."""
        return replace(self, options={**self.options, **self.reduced.options}, input=self.reduced.input or self.input)
