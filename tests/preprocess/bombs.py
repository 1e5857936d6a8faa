"""Small files that claim to be enormous."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import av
import numpy as np
from PIL import Image as Pillow


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *, depth: int = 1, extra: bytes = b"") -> bytes:
    """A whole and valid black picture, grey of ``depth`` bits."""
    packer = zlib.compressobj(9)
    row = bytes(1 + (width * depth + 7) // 8)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = _png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + _png_chunk(b"IDAT", body) + _png_chunk(b"IEND", b"")


def text_png() -> bytes:
    """A small picture whose compressed comment unfolds to 400 MB."""
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(1_000_000)) for _ in range(400)) + packer.flush()
    return png(64, 64, extra=_png_chunk(b"zTXt", b"Comment\0\0" + body))


def tiff(width: int, height: int) -> bytes:
    """Nothing but a header (TIFF 6.0, baseline grey)."""
    tags = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (278, height), (279, 100)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + bytes(104)


def jpeg(width: int, height: int) -> bytes:
    """A small picture whose frame header claims another size."""
    body = io.BytesIO()
    Pillow.new("RGB", (64, 64)).save(body, "JPEG")
    whole = body.getvalue()
    size = whole.index(b"\xff\xc0") + 5
    return whole[:size] + struct.pack(">HH", height, width) + whole[size + 4 :]


def bmp(width: int, height: int) -> bytes:
    """A small picture whose header claims another size."""
    body = io.BytesIO()
    Pillow.new("RGB", (64, 64)).save(body, "BMP")
    whole = body.getvalue()
    return whole[:18] + struct.pack("<ii", width, height) + whole[26:]


def webp(width: int, height: int) -> bytes:
    """An animation whose canvas claims another size."""
    body = io.BytesIO()
    frames = [Pillow.new("RGB", (64, 64), colour) for colour in ("red", "green")]
    frames[0].save(body, "WEBP", save_all=True, append_images=frames[1:])
    whole = body.getvalue()
    canvas = whole.index(b"VP8X") + 12
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return whole[:canvas] + size + whole[canvas + 6 :]


def gif(width: int, height: int, frames: int) -> bytes:
    """Frames of 64 x 64 on a screen that claims another size."""
    body = io.BytesIO()
    every = [Pillow.new("L", (64, 64), number % 2 * 255) for number in range(frames)]
    every[0].save(body, "GIF", save_all=True, append_images=every[1:], duration=40)
    whole = body.getvalue()
    return whole[:6] + struct.pack("<HH", width, height) + whole[10:]


def flac(seconds: float, rate: int = 8000) -> bytes:
    """One second of silence under a header that claims more (RFC 9639, 8.2)."""
    samples = min(round(seconds * rate), (1 << 36) - 1)
    fields = rate << 44 | 0 << 41 | 15 << 36 | samples
    info = struct.pack(">HH", 4096, 4096) + bytes(6) + fields.to_bytes(8, "big") + bytes(16)
    return b"fLaC\x80\0\0\x22" + info + bytes(8000)


def avi(width: int, height: int, fps: int) -> bytes:
    """A clip of 160 x 48 whose headers claim another size and rate."""
    body = io.BytesIO()
    with av.open(body, "w", format="avi") as output:
        stream = output.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 48, "yuvj420p"
        for _ in range(10):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 160, 3), np.uint8), "rgb24")))
        output.mux(stream.encode())
    whole = bytearray(body.getvalue())
    main = whole.index(b"avih") + 8
    whole[main : main + 4] = struct.pack("<I", 1_000_000 // fps)
    whole[main + 32 : main + 40] = struct.pack("<II", width, height)
    clock = whole.index(b"strh") + 28
    whole[clock : clock + 8] = struct.pack("<II", 1, fps)
    form = whole.index(b"strf") + 8
    whole[form + 4 : form + 12] = struct.pack("<ii", width, height)
    # The pictures in it claim the same.
    place = whole.find(b"\xff\xc0")
    while place != -1:
        whole[place + 5 : place + 9] = struct.pack(">HH", height, width)
        place = whole.find(b"\xff\xc0", place + 1)
    return bytes(whole)


BOMBS: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "png-900-megapixels": (lambda: png(30_000, 30_000), 413, "image_too_large"),
    "png-comment": (text_png, 422, "damaged_media"),
    "tiff-gigapixel": (lambda: tiff(40_000, 40_000), 413, "image_too_large"),
    "jpeg": (lambda: jpeg(65_500, 65_500), 413, "image_too_large"),
    "bmp": (lambda: bmp(50_000, 50_000), 413, "image_too_large"),
    "webp": (lambda: webp(16_383, 16_383), 413, "image_too_large"),
    "gif": (lambda: gif(65_535, 65_535, 1), 413, "image_too_large"),
    "gif-animated": (lambda: gif(65_535, 65_535, 500), 413, "image_too_large"),
    "avi-8k-1000-fps": (lambda: avi(7680, 4320, 1000), 422, "media_too_demanding"),
    "avi-256-megapixels": (lambda: avi(16_000, 16_000, 25), 413, "image_too_large"),
    "avi-gigapixel": (lambda: avi(32_000, 32_000, 25), 422, "damaged_media"),
    "flac-years": (lambda: flac(1e9, rate=10), 413, "media_too_long"),
}
"""By name: how it is made, and the status and code of its refusal."""
