"""Damage that leads a reader astray is the media's fault, never ours."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image as Pillow
from telltale_preprocess.errors import DamagedMedia
from telltale_preprocess.media import container
from telltale_preprocess.media.probe import probe
from telltale_preprocess.media.still import decode_still, open_still
from telltale_preprocess.settings import Settings

from tests import clips
from tests.preprocess.service import Service, problem_of


def hollow_avif() -> bytes:
    """The header of a picture above planes that are none."""
    body = io.BytesIO()
    Pillow.fromarray(clips.portrait()).save(body, "AVIF")
    whole = body.getvalue()
    data = whole.index(b"mdat") + 4
    return whole[:data] + b"\xff" * (len(whole) - data)


def test_planes_that_cannot_be_decoded_are_damage() -> None:
    picture = open_still(io.BytesIO(hollow_avif()))
    assert picture is not None
    with pytest.raises(DamagedMedia, match="AVIF"):
        decode_still(picture)


def test_a_header_that_cannot_be_read_is_damage() -> None:
    body = io.BytesIO()
    Pillow.fromarray(clips.portrait()).save(body, "WEBP")
    with pytest.raises(DamagedMedia, match="begins like"):
        probe(io.BytesIO(body.getvalue()[:60]), Settings())


def test_a_leap_before_the_beginning_is_an_error_of_the_media(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(100))
    with path.open("rb") as file:
        with pytest.raises(OSError, match="Invalid argument"):
            file.seek(-1)
        source = container._Source(file)
        assert source.seek(-1, 0) == -1
        assert source.seek(40, 0) == source.tell() == 40


def test_damage_is_a_problem_over_http(service: Service) -> None:
    problem = problem_of(service.post(hollow_avif()))
    assert (problem.status, problem.code) == (422, "damaged_media")
