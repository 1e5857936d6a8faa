"""Kept files: under names that nobody guesses, for a while, and on no disk under any name."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from telltale_gateway.artifacts import Artifacts


async def read(artifacts: Artifacts, name: str) -> bytes:
    kept = artifacts.open(name)
    assert kept is not None
    try:
        return b"".join([chunk async for chunk in kept.chunks()])
    finally:
        kept.close()


def test_what_is_kept_can_be_had_until_it_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("telltale_gateway.artifacts.time.monotonic", lambda: now)
    artifacts = Artifacts(keep_s=10.0, most_files=4, most_bytes=1000)
    name = artifacts.keep(b"film", "video/mp4", "mp4")
    assert asyncio.run(read(artifacts, name)) == b"film"
    now = 109.9
    assert asyncio.run(read(artifacts, name)) == b"film"
    now = 110.0
    assert artifacts.open(name) is None


def test_nothing_has_a_name_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    artifacts = Artifacts(keep_s=60.0, most_files=4, most_bytes=1 << 20)
    artifacts.keep(b"x" * 300_000, "image/png", "png")
    assert list(tmp_path.iterdir()) == []
    artifacts.close()


def test_names_are_long_random_and_never_a_path() -> None:
    artifacts = Artifacts(keep_s=60.0, most_files=100, most_bytes=1 << 20)
    names = {artifacts.keep(b"x", "image/png", "png") for _ in range(50)}
    assert len(names) == 50
    assert all(len(name) == 36 and "/" not in name for name in names)
    assert artifacts.open("../etc/passwd") is None
    artifacts.close()


def test_the_oldest_give_way() -> None:
    artifacts = Artifacts(keep_s=60.0, most_files=2, most_bytes=100)
    first, second, third = (artifacts.keep(b"x" * 10, "image/png", "png") for _ in range(3))
    assert artifacts.open(first) is None
    artifacts.keep(b"y" * 95, "image/png", "png")
    assert artifacts.open(second) is artifacts.open(third) is None
    artifacts.close()


def test_a_reader_keeps_what_is_forgotten_and_descriptors_are_given_back() -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 a directory of descriptors, counted

    before = descriptors()
    artifacts = Artifacts(keep_s=60.0, most_files=2, most_bytes=100)
    name = artifacts.keep(b"film", "video/mp4", "mp4")
    kept = artifacts.open(name)
    assert kept is not None
    artifacts.close()
    assert artifacts.open(name) is None

    async def rest() -> bytes:
        return b"".join([chunk async for chunk in kept.chunks()])

    assert asyncio.run(rest()) == b"film"
    kept.close()
    assert descriptors() == before


def test_what_is_too_old_is_forgotten_without_being_asked_for() -> None:
    async def scenario() -> None:
        artifacts = Artifacts(keep_s=0.05, most_files=2, most_bytes=100)
        artifacts.keep(b"film", "video/mp4", "mp4")
        sweeping = asyncio.create_task(artifacts.run())
        async with asyncio.timeout(10):
            while artifacts._kept:  # noqa: ASYNC110 nobody announces it
                await asyncio.sleep(0.01)
        sweeping.cancel()

    asyncio.run(scenario())
