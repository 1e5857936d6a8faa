"""tritonserver: the one on PATH, or the one out of the nvidia-pytriton wheel with our onnxruntime backend."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from telltale_local._child import ChildSpec
from telltale_local._layout import Layout
from telltale_local._ports import LOOPBACK
from telltale_local._probes import http_ok
from telltale_local._scratch import Scratch

STUBS = "python_backend_stubs/3.11"


@dataclass(frozen=True)
class TritonPorts:
    """Where tritonserver listens on loopback."""

    http: int
    grpc: int
    metrics: int


def triton_child(layout: Layout, scratch: Scratch, ports: TritonPorts) -> ChildSpec:
    """tritonserver in explicit mode, with nothing loaded.

    Raises:
        CannotStart: neither is a tritonserver on PATH, nor are the assets and the stub's environment in place.
    """
    on_path = shutil.which("tritonserver")
    command, environment = ([on_path], {}) if on_path is not None else _from_the_wheel(layout, scratch)
    return ChildSpec(
        name="tritonserver",
        command=(*command, *_flags(layout.model_repository, scratch, ports)),
        environment={**environment, "TMPDIR": str(scratch.subfolder("tmp"))},
        ready=http_ok(f"http://{LOOPBACK}:{ports.http}/v2/health/ready"),
        before_start=scratch.remove_shared_memory,
    )


def _from_the_wheel(layout: Layout, scratch: Scratch) -> tuple[list[str], dict[str, str]]:
    assets = layout.require(layout.triton_assets, "the unpacked tritonserver")
    layout.require(layout.triton_bin / "python", "the environment of Triton's stub")
    server = assets / "pytriton/tritonserver"
    backends = lay_out_backends(server, scratch.subfolder("backends"))
    environment = {
        "PATH": f"{layout.triton_bin}{os.pathsep}{os.environ.get('PATH', '')}",
        "LD_LIBRARY_PATH": str(assets / "nvidia_pytriton.libs"),
    }
    return [str(server / "bin/tritonserver"), f"--backend-directory={backends}"], environment


def lay_out_backends(server: Path, backends: Path) -> Path:
    """A backend directory with Triton's Python backend and our onnxruntime one.

    They are copies (4 MB): Triton refuses a library behind a link that leads out of the directory.
    """
    python = backends / "python"
    python.mkdir(parents=True)
    for source in [*(server / "backends/python").iterdir(), *(server / STUBS).iterdir()]:
        if source.is_file():
            shutil.copy(source, python)
    shutil.copytree(Path(__file__).parent / "triton_backend", backends, dirs_exist_ok=True)
    return backends


def _flags(model_repository: Path, scratch: Scratch, ports: TritonPorts) -> list[str]:
    return [
        f"--model-repository={model_repository}",
        "--model-control-mode=explicit",
        f"--http-address={LOOPBACK}",
        f"--http-port={ports.http}",
        f"--grpc-address={LOOPBACK}",
        f"--grpc-port={ports.grpc}",
        f"--metrics-address={LOOPBACK}",
        f"--metrics-port={ports.metrics}",
        "--allow-gpu-metrics=false",
        "--http-thread-count=16",
        "--strict-readiness=false",
        "--exit-timeout-secs=5",
        "--exit-on-error=false",
        f"--backend-config=python,shm-region-prefix-name={scratch.shared_memory_prefix}",
    ]
