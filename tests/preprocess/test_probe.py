"""What a file is, told by its content: cut off anywhere it is damaged or unknown, and text is never media."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from telltale_preprocess.errors import DamagedMedia, NotMedia, PreprocessError
from telltale_preprocess.media.probe import Still, probe
from telltale_preprocess.settings import Settings

from tests import clips

# From how many bytes on a cut-off file is known for what it was; a DIB begins like nothing in particular.
TOLD_BY = {
    "JPEG": 3,
    "PNG": 4,
    "WEBP": 12,
    "BMP": 18,
    "TIFF": 4,
    "GIF": 8,
    "AVIF": 12,
    "PPM": 4,
    "JPEG2000": 12,
    "DIB": 1000,
}


def stored(kind: str) -> bytes:
    """A small portrait in a file of this format."""
    body = io.BytesIO()
    Image.fromarray(clips.portrait()).resize((64, 48)).save(body, kind)
    return body.getvalue()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF:UserWarning", "ignore:Truncated File:UserWarning")
@pytest.mark.parametrize("kind", TOLD_BY)
def test_a_picture_cut_off_anywhere_is_a_picture_damaged_or_unknown(kind: str, settings: Settings) -> None:
    whole = stored(kind)
    assert isinstance(probe(io.BytesIO(whole), settings), Still)
    for length in [*range(1, 130), *range(130, len(whole), max(1, len(whole) // 20)), len(whole) - 1]:
        try:
            probe(io.BytesIO(whole[:length]), settings)
        except PreprocessError as error:
            expected = {DamagedMedia} if length >= TOLD_BY[kind] else {DamagedMedia, NotMedia}
            assert type(error) in expected or kind == "DIB", f"{length} bytes: {error}"  # noqa: PT017


@pytest.mark.parametrize(
    "text",
    [
        "BMW makes cars in Munich, and in other places.",
        "BM",
        "P6 is a format of pictures.",
        "P6\n# a remark, and nothing else",
        "P5 5 is five",
        "P1 hello",
        "P6 2024 was a year",
        "Pf is short",
        "P7",
        "RIFF is a container.",
        "GIF89a is what a picture of 1989 begins with.",
        "II* and MM* begin pictures",
        "OggS, fLaC, ID3, FLV, FORM and caff",
        "OggS",
        "the ftyp of a film",
        "jP  ",
        "Größe, taille, размер: 大小\n" * 400,
    ],
)
def test_text_that_begins_like_media_is_text(text: str, settings: Settings) -> None:
    with pytest.raises(NotMedia):
        probe(io.BytesIO(text.encode()), settings)


@pytest.mark.parametrize("head", [b"BMW f\xfcr alle, sagt man", b"RIFF\x10\0\0\0PAL data\0\1", b"P6 Gr\xfc\xdfe"])
def test_what_only_begins_like_media_is_none(head: bytes, settings: Settings) -> None:
    with pytest.raises(NotMedia):
        probe(io.BytesIO(head), settings)


def test_a_picture_written_in_letters_is_one(settings: Settings) -> None:
    rows = "\n".join("0 128 255 " * 20 for _ in range(20))
    source = probe(io.BytesIO(f"P3\n# by hand\n20 20\n255\n{rows}\n".encode()), settings)
    assert (source.facts.container, source.facts.width) == ("ppm", 20)
