"""NVIDIA's perf_analyzer drives both servers: the real one, and as a conformance test the stand-in."""

from __future__ import annotations

import csv
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.local_serving.servers import Servers, running
from tests.local_serving.tfserving_client import TfServing, model_config

ASSETS = Path(__file__).resolve().parents[2] / ".cache/assets"
PERF_ANALYZER = ASSETS / "perf_analyzer"
# What perf_analyzer links against, by the names under which nvidia-pytriton's wheel carries it.
LIBRARIES = {"libb64.so.0d": "libb64-*.so.0d", "libcudart.so.12": "libcudart-*.so.12.*"}


@pytest.fixture(scope="module")
def servers(toy_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with running("triton,tfserving", toy_repository, tmp_path_factory.mktemp("perf")) as both:
        with both.triton() as client:
            client.load_model("toy-face")
        standin = TfServing(both.environment["TELLTALE_TFSERVING_TARGET"])
        standin.reload(model_config("toy-synthesis", toy_repository / "toy-synthesis"))
        yield both


@pytest.fixture(scope="module")
def library_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("libraries")
    for name, pattern in LIBRARIES.items():
        (library,) = (ASSETS / "pytriton/nvidia_pytriton.libs").glob(pattern)
        (folder / name).symlink_to(library)
    return folder


@pytest.mark.parametrize(
    ("where", "arguments"),
    [
        ("TELLTALE_TRITON_URL", ("-m", "toy-face", "-i", "http")),
        ("TELLTALE_TRITON_GRPC_TARGET", ("-m", "toy-face", "-i", "grpc")),
        (
            "TELLTALE_TFSERVING_TARGET",
            ("-m", "toy-synthesis", "-i", "grpc", "--service-kind", "tfserving", "--shape", "image:64,64,3"),
        ),
    ],
    ids=["triton-http", "triton-grpc", "standin-grpc"],
)
def test_perf_analyzer_finds_no_error(
    servers: Servers, library_path: Path, tmp_path: Path, where: str, arguments: tuple[str, ...]
) -> None:
    report = tmp_path / "report.csv"
    command = [PERF_ANALYZER, *arguments, "-u", servers.environment[where].removeprefix("http://"), "-f", report]
    # One window is enough: this asks whether they understand each other, not how fast.
    command += ["-b", "2", "--concurrency-range", "2", "--request-count", "100"]

    done = subprocess.run(
        command,
        check=False,
        env=os.environ | {"LD_LIBRARY_PATH": str(library_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    with report.open() as lines:
        (row,) = csv.DictReader(lines)
    assert row["Concurrency"] == "2"
    assert float(row["Inferences/Second"]) > 0
