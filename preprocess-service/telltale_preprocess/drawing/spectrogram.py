"""Log power spectra as a picture: one time axis, frequency upwards, and below it which seconds were judged, and how."""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from telltale_contracts import JudgedStretch, Spectrogram, Stretch

from telltale_preprocess.drawing.annotate import Pixels, colour_of, write
from telltale_preprocess.drawing.film import Sink, read_array
from telltale_preprocess.errors import BadDrawing

_LEFT, _TOP, _BOTTOM, _RIGHT = 64, 28, 60, 44
_PLOT = (1100, 360)
_RANGE = 80.0
_DECIBELS = 10.0 / np.log(10.0)
_GROUND = 24
_ROOM = 90
"""Pixels that a label takes."""
_TICKS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)


@dataclass(frozen=True)
class Run:
    """Seconds that have one score all along, or none."""

    start: float
    end: float
    score: float | None


def render_spectrogram(file: BinaryIO, drawing: Spectrogram, sink: Sink) -> None:
    """A PNG of spectra, float32 [stretches, bins, frames] of natural logarithms of power, as npy.

    The loudest is bright, 80 dB below it black. Each second stands once, in its place: of what several stretches hold
    the first is drawn, and where there is none the ground shows.

    Raises:
        BadDrawing: they are not that.
    """
    spectra = read_array(file, np.float32, 3)
    if len(spectra) != len(drawing.stretches) or not np.isfinite(spectra).all():
        raise BadDrawing(f"Spectra of shape {spectra.shape} do not fit {len(drawing.stretches)} stretches.")
    width, height = _PLOT
    canvas = np.full((height + _TOP + _BOTTOM, width + _LEFT + _RIGHT, 3), _GROUND, dtype=np.uint8)
    loud = _DECIBELS * spectra.astype(np.float64)
    top = float(loud.max())
    grey = np.clip((loud - top + _RANGE) / _RANGE * 255.0, 0.0, 255.0).astype(np.uint8)
    plot, drawn_s = canvas[_TOP : _TOP + height, _LEFT : _LEFT + width], 0.0
    for stretch, picture in zip(drawing.stretches, grey, strict=True):
        start = max(stretch.start, drawn_s)
        left, right = _x(start, drawing), _x(stretch.end, drawing)
        drawn_s = max(drawn_s, stretch.end)
        if right > left:
            plot[:, left:right] = _coloured(_from(picture, stretch, start), right - left, height)
    _frequencies(canvas, drawing, top)
    _judgements(canvas, drawing)
    _seconds(canvas, drawing)
    buffer = io.BytesIO()
    Image.fromarray(canvas).save(buffer, "PNG")
    sink(buffer.getvalue())


def runs_of(judged: tuple[JudgedStretch, ...], duration_s: float) -> list[Run]:
    """The whole of a sound, cut where its score changes; where judged stretches overlap the highest score holds."""
    ends = {min(duration_s, t) for each in judged for t in (each.start, each.end)}
    runs: list[Run] = []
    for start, end in pairwise(sorted({0.0, duration_s, *ends})):
        score = max((each.score for each in judged if each.start <= start and each.end >= end), default=None)
        joined = runs and runs[-1].score == score
        runs.append(Run(runs.pop().start if joined else start, end, score))
    return runs


def _x(t: float, drawing: Spectrogram) -> int:
    return round(min(1.0, t / drawing.duration_s) * _PLOT[0])


def _from(grey: NDArray[np.uint8], stretch: Stretch, start: float) -> NDArray[np.uint8]:
    """The columns of a stretch from a time on, at least the last."""
    length = max(1e-9, stretch.end - stretch.start)
    first = round((start - stretch.start) / length * grey.shape[1])
    return grey[:, min(first, grey.shape[1] - 1) :]


def _coloured(grey: NDArray[np.uint8], width: int, height: int) -> Pixels:
    stretched = cv2.resize(grey[::-1], (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(stretched, cv2.COLORMAP_MAGMA), cv2.COLOR_BGR2RGB), np.uint8)


def _frequencies(canvas: Pixels, drawing: Spectrogram, top: float) -> None:
    height = _PLOT[1]
    write(canvas, f"power in dB, from {top - _RANGE:.0f} (black) to {top:.0f}", (_LEFT, 18), 0.42)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _TOP + round((1.0 - share) * (height - 1))
        write(canvas, f"{share * drawing.sample_rate / 2000.0:.1f} kHz", (2, min(y + 4, _TOP + height)), 0.36)


def _judgements(canvas: Pixels, drawing: Spectrogram) -> None:
    """A bar that is coloured exactly as far as each score goes, and the score where it has room."""
    floor = _TOP + _PLOT[1]
    for run in runs_of(drawing.judged, drawing.duration_s):
        left, right = _x(run.start, drawing), _x(run.end, drawing)
        colour = colour_of(run.score, drawing.threshold)
        if right > left:
            canvas[floor + 4 : floor + 13, _LEFT + left : _LEFT + right] = colour
        said = f"{run.score:.2f}" if run.score is not None else "not judged"
        if right - left >= (_ROOM if run.score is None else _ROOM // 2):
            write(canvas, said, (_LEFT + left + 2, floor + 48), 0.36, colour)


def _seconds(canvas: Pixels, drawing: Spectrogram) -> None:
    floor, least = _TOP + _PLOT[1], drawing.duration_s * _ROOM / _PLOT[0]
    step = next((each for each in _TICKS if each >= least), 60.0 * np.ceil(least / 60.0))
    for place in range(int(drawing.duration_s / step + 1e-6) + 1):
        x = _LEFT + _x(place * step, drawing)
        cv2.line(canvas, (x, floor + 13), (x, floor + 20), (90, 90, 90), 1)
        write(canvas, f"{place * step:.1f} s", (x + 2, floor + 30), 0.36)
