"""Log power spectra as a picture: time from left to right, frequency upwards, the scores of its stretches below."""

from __future__ import annotations

import io
from itertools import pairwise
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from telltale_contracts import Spectrogram

from telltale_preprocess.drawing.annotate import Pixels, colour_of, write
from telltale_preprocess.drawing.film import Sink, read_array
from telltale_preprocess.errors import BadDrawing

_LEFT, _TOP, _BOTTOM = 64, 28, 60
_PLOT = (1100, 360)
_RANGE = 80.0
_DECIBELS = 10.0 / np.log(10.0)


def render_spectrogram(file: BinaryIO, drawing: Spectrogram, sink: Sink) -> None:
    """A PNG of spectra, float32 [stretches, bins, frames] of natural logarithms of power, as npy.

    The loudest is bright, 80 dB below it black. Stretches stand side by side, each as wide as it lasts.

    Raises:
        BadDrawing: they are not that.
    """
    spectra = read_array(file, np.float32, 3)
    if len(spectra) != len(drawing.stretches) or not np.isfinite(spectra).all():
        raise BadDrawing(f"Spectra of shape {spectra.shape} do not fit {len(drawing.stretches)} stretches.")
    width, height = _PLOT
    canvas = np.full((height + _TOP + _BOTTOM, width + _LEFT + 12, 3), 24, dtype=np.uint8)
    loud = _DECIBELS * spectra.astype(np.float64)
    top = float(loud.max())
    grey = np.clip((loud - top + _RANGE) / _RANGE * 255.0, 0.0, 255.0).astype(np.uint8)
    edges = _edges(drawing, width)
    for (left, right), picture in zip(edges, grey, strict=True):
        canvas[_TOP : _TOP + height, _LEFT + left : _LEFT + right] = _coloured(picture, right - left, height)
    _label(canvas, drawing, edges, top)
    buffer = io.BytesIO()
    Image.fromarray(canvas).save(buffer, "PNG")
    sink(buffer.getvalue())


def _edges(drawing: Spectrogram, width: int) -> list[tuple[int, int]]:
    lengths = np.array([max(1e-3, each.end - each.start) for each in drawing.stretches])
    ends = np.concatenate([[0.0], np.cumsum(lengths)]) / lengths.sum() * width
    places = ends.round().astype(int)
    return [(int(left), max(int(left) + 1, int(right))) for left, right in pairwise(places)]


def _coloured(grey: NDArray[np.uint8], width: int, height: int) -> Pixels:
    stretched = cv2.resize(grey[::-1], (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(stretched, cv2.COLORMAP_MAGMA), cv2.COLOR_BGR2RGB), np.uint8)


def _label(canvas: Pixels, drawing: Spectrogram, edges: list[tuple[int, int]], top: float) -> None:
    width, height = _PLOT
    write(canvas, f"power in dB, from {top - _RANGE:.0f} (black) to {top:.0f}", (_LEFT, 18), 0.42)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _TOP + round((1.0 - share) * (height - 1))
        write(canvas, f"{share * drawing.sample_rate / 2000.0:.1f} kHz", (2, min(y + 4, _TOP + height)), 0.36)
    # As many labels as have room.
    every = max(1, -(-len(edges) * 90 // width))
    for place, ((left, right), stretch) in enumerate(zip(edges, drawing.stretches, strict=True)):
        floor = _TOP + height
        colour = colour_of(stretch.score, drawing.threshold)
        cv2.rectangle(canvas, (_LEFT + left, floor + 4), (_LEFT + right - 1, floor + 12), colour, -1)
        cv2.line(canvas, (_LEFT + left, _TOP), (_LEFT + left, floor + 14), (90, 90, 90), 1)
        if place % every == 0:
            write(canvas, f"{stretch.start:.1f} s", (_LEFT + left + 2, floor + 30), 0.36)
            said = f"{stretch.score:.2f}" if stretch.score is not None else "not judged"
            write(canvas, said, (_LEFT + left + 2, floor + 48), 0.36, colour)
