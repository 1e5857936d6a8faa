"""What is committed: no address of a registry, no path of one machine, nobody else's media, nothing large."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

LARGEST_FILE = 15_000_000
LARGEST_TEXT = 2_000_000

# In pieces, so that this file does not find itself.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("python" + "hosted", "org"),
        ("pytorch", "org"),
        ("nvcr", "io"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("anaconda", "org"),
        ("anaconda", "com"),
        ("hugging" + "face", "co"),
        ("hf-mirror", "com"),
        ("storage.googleapis", "com"),
        ("azure" + "edge", "net"),
        ("jfrog", "io"),
        ("cloudfront", "net"),
        ("unpkg", "com"),
        ("jsdelivr", "net"),
        ("pypi.tuna.tsinghua.edu", "cn"),
        ("mirrors.aliyun", "com"),
    )
)
# The one image that is published nowhere else; its whole name, since nothing else of that host is meant.
NAMED_BY_ITS_HOST = "nvcr" + ".io/nvidia/tritonserver"
PATHS_OF_ONE_MACHINE = re.compile(r"(?<![\w.}$/-])/(?:work|root|Users|home/\w+|opt/wheels)(?![\w-])")


def _text(path: Path) -> str | None:
    """The text of a file; None of one that is not text."""
    if path.stat().st_size > LARGEST_TEXT:
        return None
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return None


def test_no_committed_file_names_a_registry(root: Path, committed: list[Path]) -> None:
    found = [
        f"{path.relative_to(root)}: {host}"
        for path in committed
        if (text := _text(path)) is not None
        for host in REGISTRY_HOSTS
        if host in text.replace(NAMED_BY_ITS_HOST, "")
    ]
    assert found == []


def test_no_committed_file_names_a_path_of_one_machine(root: Path, committed: list[Path]) -> None:
    found = []
    for path in committed:
        for number, line in enumerate((_text(path) or "").splitlines(), 1):
            if PATHS_OF_ONE_MACHINE.search(line):
                found.append(f"{path.relative_to(root)}:{number}: {line.strip()[:100]}")
    assert found == []


@pytest.mark.parametrize("line", ["/" + "work/main/x", "open('/" + "root/.cache')", "cd /" + "home/ada/telltale"])
def test_a_path_of_one_machine_is_recognised(line: str) -> None:
    assert PATHS_OF_ONE_MACHINE.search(line)


@pytest.mark.parametrize("line", ["tests/work/x", "${HOME}/work/x", "a/root/b", "the work of /usr/bin/python3.11"])
def test_other_paths_are_not(line: str) -> None:
    assert not PATHS_OF_ONE_MACHINE.search(line)


def test_no_committed_file_is_large(root: Path, committed: list[Path]) -> None:
    sizes = {str(path.relative_to(root)): path.stat().st_size for path in committed}
    assert {name: size for name, size in sizes.items() if size > LARGEST_FILE} == {}


@pytest.mark.media
def test_nothing_of_the_shared_media_and_weights_is_committed(root: Path, committed: list[Path]) -> None:
    shared = root.parent / "shared"
    theirs: dict[int, list[Path]] = {}
    for folder in ("media", "weights"):
        for path in (shared / folder).rglob("*"):
            if path.is_file() and path.stat().st_size > 0:
                theirs.setdefault(path.stat().st_size, []).append(path)
    if not theirs:
        pytest.skip("there is no ../shared/media here to compare with")
    copies = [
        str(path.relative_to(root))
        for path in committed
        if any(_sha256(path) == _sha256(other) for other in theirs.get(path.stat().st_size, []))
    ]
    assert copies == []


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
