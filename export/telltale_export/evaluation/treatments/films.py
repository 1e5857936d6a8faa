"""H.264 of two qualities, half size and blur of films; sound and times stay as they are."""

from __future__ import annotations

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np

from telltale_export.errors import DataError
from telltale_export.evaluation.treatments.pictures import Apply, Picture, blur, half_size

# Visually without loss, so that what is measured is the treatment before it.
_CRF_KEPT = 16


def film_treatments() -> dict[str, tuple[str, Apply]]:
    """By name: the treated file's suffix, and what makes it."""
    return {
        "H.264 CRF 28": (".mkv", lambda path: recoded(path, 28)),
        "H.264 CRF 35": (".mkv", lambda path: recoded(path, 35)),
        "half size": (".mkv", lambda path: recoded(path, _CRF_KEPT, half_size)),
        "blur": (".mkv", lambda path: recoded(path, _CRF_KEPT, blur)),
    }


def recoded(path: Path, crf: int, change: Callable[[Picture], Picture] = lambda picture: picture) -> bytes:
    """A film with its pictures changed and encoded anew (x264, veryfast), as Matroska, which holds any sound.

    Raises:
        DataError: it cannot be decoded, or has no pictures.
    """
    buffer = io.BytesIO()
    try:
        with av.open(str(path)) as film, av.open(buffer, "w", format="matroska") as out:
            _copy(film, out, crf, change)
    except (av.FFmpegError, IndexError) as error:
        raise DataError(f"{path} is no film that can be decoded: {error}.", "Replace it, or take it out.") from error
    return buffer.getvalue()


def _copy(
    film: av.container.InputContainer,
    out: av.container.OutputContainer,
    crf: int,
    change: Callable[[Picture], Picture],
) -> None:
    source = film.streams.video[0]
    sounds = {stream.index: out.add_stream_from_template(stream) for stream in film.streams.audio}
    stream: av.VideoStream | None = None
    held: list[av.Packet[av.stream.Stream]] = []
    for packet in film.demux(source, *film.streams.audio):
        if packet.stream.index in sounds:
            if packet.dts is not None:
                packet.stream = sounds[packet.stream.index]
                held.append(packet)
        else:
            for frame in cast("list[av.VideoFrame]", packet.decode()):
                picture = change(_even(_upright(frame)))
                stream = stream or _stream(out, picture, source, crf)
                fresh = av.VideoFrame.from_ndarray(picture, format="bgr24")
                fresh.pts, fresh.time_base = frame.pts, frame.time_base
                out.mux(stream.encode(fresh))
        if stream is not None:
            # The header is written with the first packet, and must name all streams: sound waits for the first picture.
            out.mux(held)
            held = []
    if stream is None:
        raise IndexError("no picture")
    out.mux(stream.encode(None))


def _stream(out: av.container.OutputContainer, picture: Picture, source: av.VideoStream, crf: int) -> av.VideoStream:
    stream = out.add_stream("libx264", rate=source.average_rate or Fraction(25))
    stream.height, stream.width = picture.shape[:2]
    stream.pix_fmt = "yuv420p"
    # The encoder's own clock too: counting frames, it would even out the times of a variable frame rate.
    stream.time_base = stream.codec_context.time_base = source.time_base or Fraction(1, 1000)
    stream.options = {"crf": str(crf), "preset": "veryfast", "threads": "1"}
    return stream


def _upright(frame: av.VideoFrame) -> Picture:
    # The new file carries no display matrix, so the picture is turned instead.
    return np.rot90(frame.to_ndarray(format="bgr24"), k=frame.rotation // 90)


def _even(picture: Picture) -> Picture:
    height, width = (side // 2 * 2 for side in picture.shape[:2])
    return np.ascontiguousarray(picture[:height, :width], dtype=np.uint8)
