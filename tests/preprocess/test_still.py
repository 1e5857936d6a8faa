"""Still pictures in every mode that people send come out as upright 8-bit RGB."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from telltale_preprocess.errors import DamagedMedia
from telltale_preprocess.media.still import decode_still, exif_rotation, is_animation, open_still

from tests import clips

ORIENTATION = 0x0112


def stored(picture: Image.Image, kind: str, **options: object) -> Image.Image:
    """The picture as it is read back from a file of this format."""
    body = io.BytesIO()
    picture.save(body, kind, **options)
    opened = open_still(body)
    assert opened is not None
    return opened


def difference(decoded: clips.Picture, expected: clips.Picture) -> float:
    """Mean distance of two pictures of the same shape."""
    assert decoded.shape == expected.shape
    assert decoded.dtype == np.uint8
    return float(np.abs(decoded.astype(int) - expected.astype(int)).mean())


@pytest.mark.parametrize(
    ("mode", "kind", "tolerance"),
    [
        ("RGB", "PNG", 0.0),
        ("RGB", "JPEG", 4.0),
        ("RGB", "WEBP", 5.0),
        ("RGB", "AVIF", 5.0),
        ("RGB", "BMP", 0.0),
        ("CMYK", "JPEG", 5.0),
        ("CMYK", "TIFF", 2.0),
        ("P", "PNG", 12.0),
        ("P", "GIF", 12.0),
    ],
)
def test_colour_modes(mode: str, kind: str, tolerance: float) -> None:
    portrait = Image.fromarray(clips.portrait())
    converted = portrait.quantize() if mode == "P" else portrait.convert(mode)
    decoded = decode_still(stored(converted, kind))
    assert difference(decoded, clips.portrait()) <= tolerance


@pytest.mark.parametrize("bits", [1, 8, 16])
def test_grey_of_any_depth(bits: int) -> None:
    ramp = np.tile(np.linspace(0, 255, 64).round().astype(np.uint8), (32, 1))
    if bits == 16:
        picture = Image.fromarray(ramp.astype(np.uint16) * 257)
    else:
        picture = Image.fromarray(ramp).convert("1", dither=Image.Dither.NONE) if bits == 1 else Image.fromarray(ramp)
    expected = (ramp > 127).astype(np.uint8) * 255 if bits == 1 else ramp
    assert difference(decode_still(stored(picture, "PNG")), np.stack([expected] * 3, axis=-1)) <= 0.5


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_lies_on_white(mode: str) -> None:
    picture = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    picture.paste((10, 10, 10, 255), (0, 0, 16, 32))
    decoded = decode_still(stored(picture.convert(mode), "PNG"))
    assert decoded[:, 20:].min() == 255
    assert decoded[:, :12].max() <= 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    upright = clips.portrait()[:, :400]
    undo = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: np.rot90(upright.transpose(1, 0, 2), 2),
        8: np.rot90(upright, -1),
    }[orientation]
    picture = stored(Image.fromarray(np.ascontiguousarray(undo)), "PNG", exif=exif)
    assert exif_rotation(picture) % 180 == (90 if orientation > 4 else 0)
    np.testing.assert_array_equal(decode_still(picture), upright)


def test_a_cut_off_picture_is_damaged() -> None:
    body = io.BytesIO()
    Image.fromarray(clips.portrait()).save(body, "JPEG")
    picture = open_still(io.BytesIO(body.getvalue()[: len(body.getvalue()) // 2]))
    assert picture is not None
    with pytest.raises(DamagedMedia, match="JPEG"):
        decode_still(picture)


def test_pages_are_no_animation() -> None:
    pages = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green")]
    assert not is_animation(stored(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert is_animation(stored(pages[0], "GIF", save_all=True, append_images=pages[1:]))
