"""Open a recording with PyAV so that it can reach nothing but its own bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.codec.context import CodecContext
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

# Containers that hold their own streams. Playlists and scripts (hls, dash, concat, sdp, image2, lavfi, ...) can name
# other files and hosts, so they are not in the list.
_DEMUXERS = (
    "mov,matroska,avi,flv,mpegts,mpeg,mpegvideo,m4v,h264,hevc,ivf,ogg,asf,gif,apng,mxf,rm,dv,obu,nut,"
    "wav,w64,mp3,flac,aac,ac3,eac3,aiff,au,caf,amr,amrnb,amrwb,wv,ape,tta,dts,oma,voc"
)
_BUFFER = 1 << 20
_MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
INDEXED = frozenset({_MP4, "matroska,webm"})
"""Containers with an index of key frames; in others a seek may land anywhere."""


def open_container(file: BinaryIO) -> InputContainer:
    """Open a recording from its first byte.

    Raises:
        av.FFmpegError: it is none of the containers that are read here, or its header is broken.
    """
    # Most headers describe their streams. libavformat would decode ten frames all the same, which for 1080p costs as
    # much as thirty faces, and for a stream that nobody should decode takes memory before its size can be judged.
    container = _open(file, {"skip_frame": "all"})
    if _described(container):
        return container
    container.close()
    return _open(file, {})


def reopen_container(file: BinaryIO) -> InputContainer:
    """Open a recording that has been looked at before, to decode it.

    Raises:
        av.FFmpegError: as of ``open_container``.
    """
    # An MP4's header names all streams. libavformat would read some megabytes on for what only a decoder will tell.
    container = _open(file, {"skip_frame": "all", "analyzeduration": "1"})
    if container.format.name == _MP4 and _described(container):
        return container
    container.close()
    return open_container(file)


def packets_of(container: InputContainer, *streams: VideoStream | AudioStream) -> Iterator[Packet[Any]]:
    """Packets of these streams as they come, and then an empty one for each stream.

    Raises:
        av.FFmpegError: the file cannot be read on.
    """
    packets = container.demux(*streams)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, IndexError):
            # At the end PyAV asks every stream that has appeared on the way, though it does not know those.
            return
        yield packet


def _open(file: BinaryIO, options: dict[str, str]) -> InputContainer:
    file.seek(0)
    return av.open(
        _Source(file),
        mode="r",
        options={"format_whitelist": _DEMUXERS, "protocol_whitelist": "none"} | options,
        buffer_size=_BUFFER,
        metadata_errors="ignore",
    )


def _described(container: InputContainer) -> bool:
    """Whether it is known without decoding what the streams are; of an unknown codec, which has no context, it is not
    asked."""
    known: list[CodecContext] = [
        context for stream in container.streams if (context := getattr(stream, "codec_context", None)) is not None
    ]
    return all(
        (context.width and context.height if isinstance(context, VideoCodecContext) else True)
        and (context.sample_rate and context.channels if isinstance(context, AudioCodecContext) else True)
        for context in known
    )


class _Source:
    """A file as libavformat reads it: where a broken header leads before its beginning is an error of the media."""

    def __init__(self, file: BinaryIO) -> None:
        self.read = file.read
        self.tell = file.tell
        self._file = file

    def seek(self, offset: int, whence: int) -> int:
        """The new position; -1, which libavformat takes for an error, where there is none."""
        try:
            return self._file.seek(offset, whence)
        except (OSError, ValueError):
            return -1
