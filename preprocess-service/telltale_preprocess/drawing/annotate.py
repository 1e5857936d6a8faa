"""Boxes, scores and the growing graph, drawn on a copy of a picture."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from telltale_contracts import FaceMark, Film, Overlay

from telltale_preprocess.drawing.story import Story

Pixels = NDArray[np.uint8]
Colour = tuple[int, int, int]

SUSPICIOUS: Colour = (222, 56, 49)
UNSUSPICIOUS: Colour = (46, 160, 67)
UNKNOWN: Colour = (150, 150, 150)
_PAPER: Colour = (24, 26, 30)
_INK: Colour = (225, 228, 232)
_FAINT: Colour = (92, 98, 106)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_SMALLEST_GRAPH = 64
_CAPTION = 18
_SMALLEST_WIDTH = 64


def write(pixels: Pixels, text: str, at: tuple[int, int], size: float, colour: Colour = _INK) -> None:
    """Text whose baseline begins at x, y, on a dark ground of its own; what the font lacks becomes a question mark."""
    line = text.encode("ascii", "replace").decode()
    thickness = max(1, round(size * 1.4))
    (width, height), below = cv2.getTextSize(line, _FONT, size, thickness)
    x, y = at
    cv2.rectangle(pixels, (x - 2, y - height - 3), (x + width + 2, y + below), _PAPER, -1)
    cv2.putText(pixels, line, at, _FONT, size, colour, thickness, cv2.LINE_AA)


def colour_of(score: float | None, threshold: float) -> Colour:
    """Red from the threshold on, green below it, grey where there is no score."""
    if score is None:
        return UNKNOWN
    return SUSPICIOUS if score >= threshold else UNSUSPICIOUS


class Annotator:
    """Draws one story on pictures of one size, uint8 [height, width, 3], RGB, with a graph below them."""

    def __init__(self, drawing: Overlay | Film, width: int, height: int, scale: float) -> None:
        """``scale``: pixels of the pictures for one of the boxes' pixels."""
        self._drawing = drawing
        self._story = Story(drawing.moments)
        self._picture = (max(_SMALLEST_WIDTH, width - width % 2), height - height % 2)
        self._scale = scale
        self._text = max(0.35, min(self._picture) / 900.0)
        graph = max(_SMALLEST_GRAPH, height // 6)
        self._graph_height = graph - graph % 2

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of what is drawn; both even, as 4:2:0 needs them."""
        return self._picture[0], self._picture[1] + self._graph_height

    def draw(self, picture: Pixels, t: float, moment: int | None = None) -> Pixels:
        """The picture shown at ``t`` seconds with all that is known of it; of moment number ``moment``, where it is
        the very picture that was looked at."""
        width, height = self._picture
        canvas = np.empty((height + self._graph_height, width, 3), dtype=np.uint8)
        above = canvas[:height]
        above[:] = picture if picture.shape[:2] == (height, width) else cv2.resize(picture, (width, height))
        faces = self._drawing.moments[moment].faces if moment is not None else self._story.faces(t)
        for mark in faces:
            self._box(above, mark)
        line = round(34 * self._text)
        write(above, self._drawing.headline, (line // 3, line), self._text)
        self._graph(canvas[height:], t)
        return canvas

    def _box(self, pixels: Pixels, mark: FaceMark) -> None:
        x, y, width, height = (value * self._scale for value in mark.box)
        colour = colour_of(mark.score, self._drawing.threshold)
        # Colour is of two by two pixels in 4:2:0: a thinner line would lose it.
        thickness = max(2, round(2.5 * self._text))
        corner, opposite = (round(x), round(y)), (round(x + width), round(y + height))
        cv2.rectangle(pixels, corner, opposite, colour, thickness, cv2.LINE_AA)
        said = f"{mark.track}: {mark.score:.2f}" if mark.score is not None else f"{mark.track}: not judged"
        write(pixels, said, (corner[0], max(corner[1] - 4, round(24 * self._text))), self._text, colour)

    def _graph(self, strip: Pixels, t: float) -> None:
        strip[:] = _PAPER
        level = self._y(self._drawing.threshold)
        for start in range(0, strip.shape[1], 12):
            cv2.line(strip, (start, level), (start + 5, level), _FAINT, 1)
        points = self._story.until(t)
        places = [(self._x(each), self._y(score)) for each, score in points]
        for (_, score), left, right in zip(points[1:], places, places[1:], strict=False):
            cv2.line(strip, left, right, colour_of(score, self._drawing.threshold), 2, cv2.LINE_AA)
        for (_, score), place in zip(points, places, strict=True):
            cv2.circle(strip, place, 2, colour_of(score, self._drawing.threshold), -1, cv2.LINE_AA)
        cv2.line(strip, (self._x(t), _CAPTION), (self._x(t), strip.shape[0]), _INK, 1)
        now = self._story.score(t)
        said = f"P(fake) {now:.2f}" if now is not None else "P(fake) -"
        write(strip, f"{said}  {t:.1f} s", (6, _CAPTION - 5), 0.4)

    def _x(self, t: float) -> int:
        return round(min(1.0, t / self._drawing.duration_s) * (self._picture[0] - 1))

    def _y(self, score: float) -> int:
        return round(_CAPTION + (1.0 - score) * (self._graph_height - _CAPTION - 4))
