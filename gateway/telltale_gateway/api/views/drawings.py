"""What is to be drawn of a study: pure functions to the drawings of the contracts, and the arrays they are drawn on."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from telltale_contracts import (
    BundleMetadata,
    FaceMark,
    Film,
    Image,
    JudgedStretch,
    LogSpectrogram,
    Moment,
    Overlay,
    Spectrogram,
    Stretch,
)

from telltale_gateway.analysis import Study, Verdict
from telltale_gateway.spooling import Spool

PICTURES = Image(size=384, fit="pad")
"""The sampled frames as a film shows them."""
SPECTRA = LogSpectrogram(samples=8_000, hop_length=160, max_segments=256)
"""Half a second in each spectrum, so that less than a quarter is left over at the end; of more than 128 s, stretches
that are evenly spread."""

_MOST_PICTURES = 200
_SHORTEST_S = 0.04

Box = tuple[float, float, float, float]


def overlay_of(verdict: Verdict) -> Overlay:
    """Boxes, scores and graph for the video itself."""
    return Overlay(
        moments=tuple(_moment(verdict, place, 1.0, (0.0, 0.0)) for place in range(len(verdict.frame_samples))),
        threshold=verdict.threshold,
        headline=headline_of(verdict),
        duration_s=_duration(verdict),
    )


def film_of(study: Study) -> tuple[Film, Spool]:
    """Boxes, scores and graph for the frames that were looked at, and these as npy."""
    verdict, pictures = study.verdict, study.bundle.tensors[PICTURES.key()]
    width, height = verdict.meta.width or PICTURES.size, verdict.meta.height or PICTURES.size
    scale = PICTURES.size / max(width, height)
    # Their black margins are left out; sides stay even, as film needs them.
    inside = [min(PICTURES.size, max(16, round(side * scale) // 2 * 2)) for side in (height, width)]
    top, left = ((PICTURES.size - side) // 2 for side in inside)
    chosen = range(0, len(pictures), -(-len(pictures) // _MOST_PICTURES))
    film = Film(
        moments=tuple(
            _moment(
                verdict,
                place,
                scale,
                ((PICTURES.size - width * scale) / 2 - left, (PICTURES.size - height * scale) / 2 - top),
            )
            for place in chosen
        ),
        threshold=verdict.threshold,
        headline=headline_of(verdict),
        duration_s=_duration(verdict),
    )
    cut = pictures[list(chosen), top : top + inside[0], left : left + inside[1]]
    return film, _npy(np.ascontiguousarray(cut))


def spectrogram_of(study: Study) -> tuple[Spectrogram, Spool]:
    """The sound's spectra, the stretches that were judged, and the spectra as npy."""
    key, metadata = SPECTRA.key(), study.bundle.metadata
    stretches = tuple(Stretch(start=each.start, end=each.end) for each in metadata.segments[key])
    sound_s = metadata.audio.duration_s if metadata.audio else 0.0
    drawing = Spectrogram(
        duration_s=max(_SHORTEST_S, sound_s, *(each.end for each in stretches)),
        stretches=stretches,
        judged=tuple(
            JudgedStretch(start=each.start, end=each.end, score=each.score) for each in study.verdict.audio_segments
        ),
        sample_rate=SPECTRA.sample_rate,
        threshold=study.verdict.threshold,
    )
    return drawing, _npy(study.bundle.tensors[key])


def headline_of(verdict: Verdict) -> str:
    """What stands above it all."""
    return f"{verdict.label.upper()}  P(fake) {verdict.score:.2f}"


def _moment(verdict: Verdict, place: int, scale: float, shift: tuple[float, float]) -> Moment:
    sample = verdict.frame_samples[place]
    marks = [FaceMark(track=face.track, box=_moved(face.box, scale, shift), score=face.score) for face in sample.faces]
    return Moment(t=max(0.0, sample.t), score=sample.score, faces=tuple(marks))


def _moved(box: Box, scale: float, shift: Sequence[float]) -> Box:
    x, y, width, height = (value * scale for value in box)
    return (x + shift[0], y + shift[1], width, height)


def _duration(verdict: Verdict) -> float:
    last = verdict.frame_samples[-1].t if verdict.frame_samples else 0.0
    return max(_SHORTEST_S, verdict.meta.duration_s or 0.0, last)


def _npy(array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Spool:
    body = io.BytesIO()
    np.save(body, array, allow_pickle=False)
    return Spool.of(body.getvalue())


def frame_places(metadata: BundleMetadata) -> list[int]:
    """The place in the video of each frame that was looked at."""
    return [frame.index for frame in metadata.frames]
