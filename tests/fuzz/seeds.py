"""Small whole files of every format that is read, the portrait and a voice in them.

Encoders are asked to be exact, but a busy machine may still make one of them write other bytes.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from PIL import Image as Pillow

from tests import clips, speech

_RATE = 16_000
_FRAMES = 6
_EXACT = {"fflags": "+bitexact"}


@dataclass(frozen=True)
class _Film:
    """A film to make: libavformat's name of the container, the codecs, the layout of pixels."""

    name: str
    container: str
    video: str
    audio: str
    pixels: str
    movflags: str = ""


_FILMS = (
    _Film("mp4-h264", "mp4", "libx264", "aac", "yuv420p"),
    _Film("mp4-fragments", "mp4", "libx264", "aac", "yuv420p", "frag_keyframe+empty_moov"),
    _Film("mp4-hevc", "mp4", "libx265", "aac", "yuv420p"),
    _Film("mov-prores", "mov", "prores", "alac", "yuv422p10le"),
    _Film("mov-mjpeg", "mov", "mjpeg", "pcm_s16le", "yuvj420p"),
    _Film("avi-mpeg4", "avi", "mpeg4", "libmp3lame", "yuv420p"),
    _Film("avi-mjpeg", "avi", "mjpeg", "pcm_s16le", "yuvj420p"),
    _Film("mkv-h264", "matroska", "libx264", "flac", "yuv420p"),
    _Film("mkv-ffv1", "matroska", "ffv1", "pcm_f32le", "yuv420p10le"),
    _Film("webm-vp8", "webm", "libvpx", "libopus", "yuv420p"),
    _Film("webm-vp9", "webm", "libvpx-vp9", "libopus", "yuv420p"),
    _Film("flv-flv1", "flv", "flv", "libmp3lame", "yuv420p"),
    _Film("flv-h264", "flv", "libx264", "aac", "yuv420p"),
    _Film("wmv-wmv2", "asf", "wmv2", "wmav2", "yuv420p"),
    _Film("ts-h264", "mpegts", "libx264", "aac", "yuv420p"),
    _Film("mpg-mpeg2", "mpeg", "mpeg2video", "mp2", "yuv420p"),
)
_SOUNDS = (
    ("wav-pcm", "wav", "pcm_s16le"),
    ("wav-float", "wav", "pcm_f32le"),
    ("mp3", "mp3", "libmp3lame"),
    ("flac", "flac", "flac"),
    ("ogg-vorbis", "ogg", "vorbis"),
    ("ogg-opus", "ogg", "libopus"),
    ("m4a-aac", "ipod", "aac"),
    ("m4a-alac", "ipod", "alac"),
    ("aac-adts", "adts", "aac"),
)
_OPTIONS = {
    "libx264": {"preset": "ultrafast", "bf": "1", "x264-params": "threads=1"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "vorbis": {"strict": "-2"},
}


def seeds() -> dict[str, bytes]:
    """All of them, by name; what precedes the first hyphen is the container."""
    face = _face()
    voice = speech.say("One, two, three.")[: _RATE * 3 // 5]
    made = {film.name: _film(face, voice, film) for film in _FILMS}
    made |= {name: _sound(voice, *rest) for name, *rest in _SOUNDS}
    made["mov-exif"] = _film_of_photographs(face)
    return made | {name: save(Pillow.fromarray(face)) for name, save in _stills().items()}


def _face() -> clips.Picture:
    return np.asarray(Pillow.fromarray(clips.portrait()[:256, 96:352]).resize((96, 96)))


def _film(face: clips.Picture, voice: clips.Sound, film: _Film) -> bytes:
    body = io.BytesIO()
    options = _EXACT | ({"movflags": film.movflags} if film.movflags else {})
    with av.open(body, "w", format=film.container, options=options) as output:
        stream = output.add_stream(film.video, rate=10, options=_OPTIONS.get(film.video, {}))
        stream.height, stream.width = face.shape[:2]
        stream.pix_fmt, stream.bit_rate = film.pixels, 200_000
        rate = 48_000 if film.audio == "libopus" else 44_100
        sound = output.add_stream(film.audio, rate=rate)
        sound.layout, sound.bit_rate = "mono", 48_000
        for number in range(_FRAMES):
            shown = np.ascontiguousarray(np.roll(face, number, axis=1))
            output.mux(stream.encode(av.VideoFrame.from_ndarray(shown, "rgb24")))
        output.mux(stream.encode())
        for part in _resampled(voice, sound, rate):
            output.mux(sound.encode(part))
        output.mux(sound.encode())
    return body.getvalue()


def _film_of_photographs(face: clips.Picture) -> bytes:
    """As some cameras film: JPEG after JPEG, each of which says in EXIF which way it is to be turned."""
    exif = Pillow.Exif()
    exif[0x0112] = 6
    photograph, body = io.BytesIO(), io.BytesIO()
    Pillow.fromarray(face).save(photograph, "JPEG", exif=exif)
    with av.open(body, "w", format="mov", options=_EXACT) as output:
        stream = output.add_stream("mjpeg", rate=10)
        stream.height, stream.width, stream.pix_fmt = *face.shape[:2], "yuvj420p"
        for number in range(_FRAMES):
            packet = av.Packet(photograph.getvalue())
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 10)
            packet.is_keyframe = True
            output.mux(packet)
    return body.getvalue()


def _sound(voice: clips.Sound, container: str, codec: str) -> bytes:
    body = io.BytesIO()
    with av.open(body, "w", format=container, options=_EXACT) as output:
        stream = output.add_stream(codec, rate=48_000, options=_OPTIONS.get(codec, {}))
        stream.layout = "stereo" if codec == "vorbis" else "mono"
        for part in _resampled(voice, stream, 48_000):
            output.mux(stream.encode(part))
        output.mux(stream.encode())
    return body.getvalue()


def _resampled(voice: clips.Sound, stream: av.AudioStream, rate: int) -> list[av.AudioFrame]:
    frame = av.AudioFrame.from_ndarray(voice[None], "fltp", "mono")
    frame.sample_rate, frame.pts, frame.time_base = _RATE, 0, Fraction(1, _RATE)
    return av.AudioResampler(stream.codec_context.format, stream.layout.name, rate).resample(frame)


def _stills() -> dict[str, Callable[[Pillow.Image], bytes]]:
    def saved(kind: str, mode: str = "RGB", **options: object) -> Callable[[Pillow.Image], bytes]:
        def save(picture: Pillow.Image) -> bytes:
            body = io.BytesIO()
            converted = picture.quantize(32) if mode == "P" else picture.convert(mode)
            converted.save(body, kind, **options)
            return body.getvalue()

        return save

    def moving(kind: str) -> Callable[[Pillow.Image], bytes]:
        def save(picture: Pillow.Image) -> bytes:
            body = io.BytesIO()
            later = [picture.rotate(angle) for angle in (5, 10, 15)]
            picture.save(body, kind, save_all=True, append_images=later, duration=100)
            return body.getvalue()

        return save

    exif = Pillow.Exif()
    exif[0x0112] = 6
    return {
        "jpeg": saved("JPEG", exif=exif),
        "jpeg-progressive": saved("JPEG", progressive=True),
        "jpeg-cmyk": saved("JPEG", "CMYK"),
        "png": saved("PNG"),
        "png-alpha": saved("PNG", "RGBA"),
        "png-palette": saved("PNG", "P"),
        "png-16": saved("PNG", "I;16"),
        "bmp": saved("BMP"),
        "webp": saved("WEBP"),
        "webp-lossless": saved("WEBP", "RGBA", lossless=True),
        "tiff": saved("TIFF"),
        "tiff-lzw": saved("TIFF", compression="tiff_lzw"),
        "tiff-jpeg": saved("TIFF", compression="jpeg"),
        "avif": saved("AVIF", max_threads=1),
        "gif-moving": moving("GIF"),
        "png-moving": moving("PNG"),
        "webp-moving": moving("WEBP"),
    }
