"""TensorFlow Serving: the tensorflow_model_server on PATH, or our stand-in for it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from telltale_local._child import ChildSpec
from telltale_local._layout import Layout
from telltale_local._ports import LOOPBACK
from telltale_local._probes import model_service_answers
from telltale_local._scratch import Scratch


@dataclass(frozen=True)
class TfServingPorts:
    """Where TensorFlow Serving, or its stand-in, listens on loopback."""

    grpc: int
    rest: int


def tfserving_child(layout: Layout, scratch: Scratch, ports: TfServingPorts) -> ChildSpec:
    """The server with an empty configuration, which a reload replaces.

    Raises:
        CannotStart: neither is a tensorflow_model_server on PATH, nor the models environment in place.
    """
    on_path = shutil.which("tensorflow_model_server")
    if on_path is not None:
        name, command = "tensorflow_model_server", [on_path]
    else:
        python = layout.require(layout.models_python, "the models environment")
        name, command = "tensorflow-serving-standin", [str(python), "-m", "telltale_local.standin"]
    config = scratch.folder / "tfserving.config"
    config.write_text("model_config_list {}\n", encoding="utf-8")
    return ChildSpec(
        name=name,
        command=(
            *command,
            f"--port={ports.grpc}",
            f"--rest_api_port={ports.rest}",
            f"--model_config_file={config}",
            "--file_system_poll_wait_seconds=1",
        ),
        environment={"TMPDIR": str(scratch.subfolder("tmp")), "TF_CPP_MIN_LOG_LEVEL": "2"},
        ready=model_service_answers(f"{LOOPBACK}:{ports.grpc}"),
    )
