"""One drawing, of whatever kind."""

from __future__ import annotations

from typing import BinaryIO

from telltale_contracts import Drawing, Film, Overlay, Spectrogram

from telltale_preprocess.drawing.film import Sink, render_film, render_overlay
from telltale_preprocess.drawing.spectrogram import render_spectrogram
from telltale_preprocess.settings import Settings


def render(file: BinaryIO, drawing: Drawing, settings: Settings, sink: Sink) -> None:
    """Draw, handing bytes to the sink as soon as there are any.

    Raises:
        PreprocessError: there is nothing to draw on, or it does not fit; the subclass says why.
    """
    match drawing:
        case Overlay():
            render_overlay(file, drawing, settings, sink)
        case Film():
            render_film(file, drawing, sink)
        case Spectrogram():
            render_spectrogram(file, drawing, sink)


def media_type(drawing: Drawing) -> str:
    """What a drawing becomes."""
    return "image/png" if isinstance(drawing, Spectrogram) else "video/mp4"
