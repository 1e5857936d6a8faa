"""What happens to the servers when something dies, and what is left when they are stopped."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import tritonclient.http as triton
from grpc import aio
from tritonclient.utils import InferenceServerException

from tests.local_serving.servers import Servers, end, infer, running, runs, wait_until
from tests.local_serving.tfserving_client import TfServing, model_config, spec

TRITON, STUB, STANDIN = "bin/tritonserver", "triton_python_backend_stub", "telltale_local.standin"
GREY = np.full((1, 64, 64, 3), 51, np.uint8)


@pytest.fixture(scope="module")
def fragile(toy_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Servers that these tests may kill."""
    with running("triton,tfserving", toy_repository, tmp_path_factory.mktemp("fragile")) as both:
        yield both


def serves(client: triton.InferenceServerClient) -> bool:
    try:
        return bool(np.allclose(infer(client, "toy-face", "image", GREY), 0.2, atol=1e-6))
    except (InferenceServerException, OSError):
        return False


def ready(client: triton.InferenceServerClient) -> bool:
    try:
        return bool(client.is_server_ready())
    except OSError:
        return False


def test_triton_comes_back_on_its_port_and_has_forgotten_its_models(fragile: Servers) -> None:
    with fragile.triton() as client:
        client.load_model("toy-face")
        assert serves(client)
        assert fragile.shared_memory()
        old, stub = fragile.the(TRITON), fragile.the(STUB)

        old.kill()
        wait_until(lambda: not runs(old) and ready(client), "tritonserver did not come back")

        assert fragile.the(TRITON).pid != old.pid
        assert not runs(stub)
        assert fragile.shared_memory() == []
        assert not client.is_model_ready("toy-face")
        client.load_model("toy-face")
        assert serves(client)


def test_a_dead_stub_looks_ready_and_answers_nobody_until_its_model_is_loaded_anew(fragile: Servers) -> None:
    with fragile.triton() as client:
        client.load_model("toy-face")
        stub = fragile.the(STUB)

        stub.kill()
        wait_until(lambda: not serves(client), "a killed stub still answers")

        assert client.is_server_ready()
        assert client.is_model_ready("toy-face")
        client.unload_model("toy-face")
        wait_until(lambda: not client.is_model_ready("toy-face"), "the model was not unloaded")
        client.load_model("toy-face")
        assert serves(client)
        assert fragile.the(STUB).pid != stub.pid


def test_the_standin_comes_back_on_its_port_and_takes_a_configuration(fragile: Servers, toy_repository: Path) -> None:
    server = TfServing(fragile.environment["TELLTALE_TFSERVING_TARGET"])
    config = model_config("toy-synthesis", toy_repository / "toy-synthesis")
    server.reload(config)
    old = fragile.the(STANDIN)

    def answers() -> bool:
        try:
            server.reload(config)
        except aio.AioRpcError as error:
            if error.code() not in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
                raise
            return False
        return True

    old.kill()
    wait_until(lambda: not runs(old) and answers(), "the stand-in did not come back")

    assert fragile.the(STANDIN).pid != old.pid
    assert server.predict(spec("toy-synthesis"), image=GREY).model_spec.version.value == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_however_the_supervisor_ends_nothing_is_left(
    toy_repository: Path, tmp_path: Path, number: signal.Signals
) -> None:
    with running("triton", toy_repository, tmp_path) as servers:
        with servers.triton() as client:
            client.load_model("toy-face")
            assert serves(client)
        prefix = next(tmp_path.iterdir()).name
        assert servers.shared_memory()
        servers.remember_family()
        assert {word for word in (TRITON, STUB, "_reaper") if servers.descendants(word)} == {TRITON, STUB, "_reaper"}

        end(servers, number)

        wait_until(servers.gone, "a process is left")
        wait_until(lambda: list(tmp_path.iterdir()) == [], "a temporary file is left")
        assert list(Path("/dev/shm").glob(f"{prefix}*")) == []
        assert servers.process.returncode == (-number if number == signal.SIGKILL else 128 + number)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "telltale_local", "run", "--only", "triton", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def test_the_status_of_the_command_is_the_status_of_the_run(toy_repository: Path) -> None:
    done = run("--model-repository", str(toy_repository), "--", "sh", "-c", "echo $TELLTALE_TRITON_URL; exit 7")

    assert done.returncode == 7
    assert done.stdout.startswith("http://127.0.0.1:")
    assert "TELLTALE_TFSERVING_TARGET" not in done.stdout


def test_a_model_repository_that_is_not_there_is_said_in_one_sentence(tmp_path: Path) -> None:
    done = run("--model-repository", str(tmp_path / "nowhere"), "--", "true")

    assert done.returncode == 1
    assert done.stderr.startswith(f"Telltale cannot start: the model repository is missing at {tmp_path}/nowhere; ")
    assert "Traceback" not in done.stderr


def test_an_unknown_part_is_refused_with_the_known_ones() -> None:
    command = [sys.executable, "-m", "telltale_local", "run", "--only", "triton,redis", "--", "true"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    assert done.returncode == 2
    assert "unknown redis; there are preprocess, triton, tfserving, gateway" in done.stderr


def test_a_port_that_is_taken_is_said_before_anything_is_started(toy_repository: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "telltale_local", "serve", "--port", port]
        command += ["--model-repository", str(toy_repository)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"Telltale cannot start: cannot listen on 127.0.0.1 port {port}: ")
    assert done.stderr.endswith("choose another HOST or PORT\n")
