"""The original sound beside a drawn picture: its packets as they are where an MP4 can hold them, else coded anew."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, BinaryIO

import av
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet

from telltale_preprocess.media.container import open_container, packets_of
from telltale_preprocess.media.sound import sound_frames
from telltale_preprocess.media.timeline import audio_stream

_LEAST_MP3_RATE = 16_000
# Those of AAC (ISO/IEC 14496-3, table 1.18), as far as anybody hears a difference.
_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)


class Soundtrack:
    """The sound of a file, muxed piece by piece as the picture goes on; a context manager that closes the file's end.

    ``origin``: presentation time in seconds of the first sample, None where there is no sound that can be read.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._container: InputContainer | None = None
        self._pieces: Iterator[tuple[float, Packet[Any]]] = iter(())
        self._waiting: tuple[float, Packet[Any]] | None = None
        self._output: OutputContainer | None = None
        container = open_container(file)
        stream = audio_stream(container)
        if stream is None:
            container.close()
            return
        self._container, self._stream = container, stream
        stream.codec_context.thread_count = 1
        self._copied = _fits_mp4(stream)

    def attach(self, output: OutputContainer) -> float | None:
        """Open a sound stream in the output, before its first packet; the time of the first sample in seconds."""
        if self._container is None:
            return None
        if self._copied:
            self._pieces = _copied(self._container, self._stream, output.add_stream_from_template(self._stream))
        else:
            rate = next((rate for rate in _RATES if rate >= (self._stream.rate or 0)), _RATES[-1])
            coded = output.add_stream("aac", rate=rate)
            coded.layout = "mono" if self._stream.channels == 1 else "stereo"
            self._pieces = _coded(self._container, self._stream, coded)
        self._output = output
        self._waiting = next(self._pieces, None)
        return self._waiting[0] if self._waiting is not None else None

    def mux_until(self, moment: float, base: float) -> None:
        """Hand on all sound up to a presentation time in seconds; ``base`` becomes zero, what is before it is left
        out."""
        while self._output is not None and self._waiting is not None and self._waiting[0] <= moment:
            _, packet = self._waiting
            packet.pts = (packet.pts or 0) - round(base / packet.time_base)
            packet.dts = packet.pts
            if packet.pts >= 0:
                self._output.mux(packet)
            self._waiting = next(self._pieces, None)

    def close(self) -> None:
        """Close the file's container."""
        if self._container is not None:
            self._container.close()


def _fits_mp4(stream: AudioStream) -> bool:
    """Whether an MP4 that is written before its end can hold the packets: AAC that describes itself once, and MP3 of
    MPEG-1 or 2."""
    name = stream.codec_context.name
    if name == "aac":
        return bool(stream.codec_context.extradata)
    return name in {"mp3", "mp3float"} and (stream.rate or 0) >= _LEAST_MP3_RATE


def _copied(container: InputContainer, stream: AudioStream, into: AudioStream) -> Iterator[tuple[float, Packet[Any]]]:
    packets = packets_of(container, stream)
    last: int | None = None
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.FFmpegError):
            return
        if not packet.size or packet.pts is None or packet.time_base is None or packet.is_corrupt:
            continue
        # An MP4 takes no packet that does not follow the one before it.
        if last is not None and packet.pts <= last:
            continue
        last = packet.pts
        moment = float(packet.pts * packet.time_base)
        packet.stream = into
        yield moment, packet


def _coded(container: InputContainer, stream: AudioStream, into: AudioStream) -> Iterator[tuple[float, Packet[Any]]]:
    """Decoded and coded again; a gap becomes as long a jump of the stamps."""
    resampler = AudioResampler(format="fltp", layout=into.layout.name, rate=into.rate)
    source: tuple[str, str, int] | None = None
    now: float | None = None
    for moment, frame in sound_frames(container, stream):
        described = (frame.format.name, frame.layout.name, frame.sample_rate)
        if source is not None and described != source:
            resampler = AudioResampler(format="fltp", layout=into.layout.name, rate=into.rate)
        source = described
        if now is None or (moment is not None and moment - now > frame.samples / frame.sample_rate):
            now = moment if moment is not None else (now or 0.0)
        frame.pts = None
        for piece in resampler.resample(frame):
            piece.pts, piece.time_base = round(now * into.rate), Fraction(1, into.rate)
            now += piece.samples / into.rate
            for packet in into.encode(piece):
                yield _timed(packet)
    for packet in into.encode(None):
        yield _timed(packet)


def _timed(packet: Packet[Any]) -> tuple[float, Packet[Any]]:
    return float((packet.pts or 0) * (packet.time_base or 0)), packet
