"""Read a still picture with Pillow: upright, 8-bit RGB, whatever it was stored as."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from telltale_preprocess.errors import DamagedMedia, ImageTooLarge, ImageTooSmall

# Not ICO, whose pictures are larger than its header says, and not TGA, which has no mark to be told by.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "PPM", "JPEG2000", "DIB")
_MOVING = {"GIF", "PNG", "WEBP", "AVIF"}

# What Pillow's readers let through when their parsing stumbles; memory that runs out is not the picture's damage.
_STUMBLES = (
    OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, ArithmeticError, RuntimeError, AttributeError,
    AssertionError, struct.error, zlib.error,
)  # fmt: skip


def open_still(file: BinaryIO) -> Image.Image | None:
    """Open a picture by its header, undecoded; None if it is none that Pillow can read the header of.

    Many a reader takes two letters for its own and fails on the rest, so a failure here says nothing yet.
    """
    file.seek(0)
    try:
        return Image.open(file, formats=_FORMATS)
    except _STUMBLES:
        return None


def webp_size(head: bytes) -> tuple[int, int] | None:
    """Width and height that the first 30 bytes of a WebP claim (RFC 9649, 2.4 to 2.7); None of anything else.

    Pillow takes memory for the whole picture when it opens one.
    """
    if len(head) < 30 or head[:4] != b"RIFF" or head[8:12] != b"WEBP":
        return None
    match head[12:16]:
        case b"VP8X":
            return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
        case b"VP8L":
            both = int.from_bytes(head[21:25], "little")
            return (both & 0x3FFF) + 1, (both >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
    return None


def is_animation(picture: Image.Image) -> bool:
    """Whether it has several frames over time; several pages or sizes of one picture are not.

    Raises:
        DamagedMedia: its frames cannot be counted.
    """
    with _damage(picture.format):
        return picture.format in _MOVING and getattr(picture, "n_frames", 1) > 1


def refuse_size(width: int, height: int, *, max_pixels: int, min_side: int) -> None:
    """Judge a picture by its header.

    Raises:
        ImageTooLarge: it has more than ``max_pixels``.
        ImageTooSmall: its shorter side is under ``min_side`` pixels.
    """
    if width * height > max_pixels:
        raise ImageTooLarge(
            f"It is {width} x {height}, {width * height / 1e6:.1f} megapixels; "
            f"at most {max_pixels / 1e6:.0f} are allowed."
        )
    if min(width, height) < min_side:
        raise ImageTooSmall(f"It is {width} x {height} pixels; at least {min_side} on each side are needed.")


def decode_still(picture: Image.Image) -> NDArray[np.uint8]:
    """The picture as uint8 [height, width, 3], RGB, upright; transparency lies on white, 16 bits become 8.

    Raises:
        DamagedMedia: its pixels cannot be decoded.
    """
    with _damage(picture.format):
        picture.load()
        return np.asarray(_flatten(ImageOps.exif_transpose(picture)), dtype=np.uint8)


def exif_rotation(picture: Image.Image) -> int:
    """Degrees clockwise that the picture's EXIF orientation asks for, mirroring aside.

    Raises:
        DamagedMedia: it cannot be read so far; some formats keep it behind the pixels.
    """
    with _damage(picture.format):
        return {3: 180, 4: 180, 5: 90, 6: 90, 7: 270, 8: 270}.get(picture.getexif().get(0x0112, 1), 0)


@contextmanager
def _damage(kind: str | None = "known kind of") -> Iterator[None]:
    try:
        yield
    except _STUMBLES as error:
        raise DamagedMedia(f"It begins like a {kind} picture, but it cannot be decoded: {error}") from error


def _flatten(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        wide = np.asarray(picture, dtype=np.float64)
        top = 65535.0 if picture.mode != "I" or wide.max() > 255 else 255.0
        return Image.fromarray(np.clip(wide * (255.0 / top) + 0.5, 0, 255).astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        grey = np.nan_to_num(np.asarray(picture, dtype=np.float64))
        span = float(np.ptp(grey)) or 1.0
        return Image.fromarray(((grey - grey.min()) * (255.0 / span)).astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return picture.convert("RGB")
