"""The real tritonserver with our onnxruntime backend."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from safetensors.numpy import load_file
from telltale_contracts import CARD_FILE, GOLDEN_FILE, VersionCard
from tritonclient.utils import InferenceServerException

from tests.local_serving.servers import Servers, infer, running

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def client(servers: Servers) -> Iterator[triton.InferenceServerClient]:
    with servers.triton() as client:
        for model in ("toy-face", "toy-voice"):
            client.load_model(model)
        yield client


@pytest.mark.parametrize(("model", "tensor"), [("toy-face", "image"), ("toy-voice", "waveform")])
def test_golden_inputs_give_their_scores(
    client: triton.InferenceServerClient, toy_repository: Path, model: str, tensor: str
) -> None:
    version = toy_repository / model / "1"
    golden = VersionCard.from_yaml(version / CARD_FILE).golden

    scores = infer(client, model, tensor, load_file(version / GOLDEN_FILE)["input"])

    np.testing.assert_allclose(scores[:, 0], golden.scores, atol=golden.tolerance)


def test_requests_that_run_together_get_their_own_answers(
    servers: Servers, client: triton.InferenceServerClient
) -> None:
    def ask(level: int) -> bool:
        batch = np.full((1 + level % 3, 64, 64, 3), level, np.uint8)
        with servers.triton() as own:
            return bool(np.allclose(infer(own, "toy-face", "image", batch), level / 255, atol=1e-6))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(0, 256, 4)))

    statistics = client.get_inference_statistics("toy-face")["model_stats"][0]
    assert statistics["execution_count"] < statistics["inference_count"], "nothing was batched"


def test_the_stub_runs_numpy_1_of_its_own_environment(servers: Servers, client: triton.InferenceServerClient) -> None:
    assert client.is_model_ready("toy-face")
    stub = next(
        process for process in servers.descendants("triton_python_backend_stub") if "toy-face" in str(process.cmdline())
    )

    mapped = {Path(region.path) for region in stub.memory_maps() if "/numpy/" in region.path}

    own = (ROOT / ".venvs/triton").resolve()
    assert mapped
    assert all(path.is_relative_to(own) for path in mapped)
    assert [path.name.split("-")[1][:2] for path in own.glob("lib/python3.11/site-packages/numpy-*.dist-info")] == [
        "1."
    ]


@pytest.fixture(scope="module")
def bare(toy_repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """Triton on configurations that leave things out, or claim what the graph does not keep."""
    repository = tmp_path_factory.mktemp("bare") / "model-repository"
    for model in ("one-line", "loose"):
        shutil.copytree(toy_repository / "toy-face", repository / model)
    (repository / "one-line/config.pbtxt").write_text('backend: "onnxruntime"\n')
    (repository / "loose/config.pbtxt").write_text(
        'backend: "onnxruntime"\nmax_batch_size: 4\n'
        'input [{ name: "image" data_type: TYPE_UINT8 dims: [-1, -1, 3] }]\n'
        'output [{ name: "probability" data_type: TYPE_FP32 dims: [1] }]\n'
        'parameters { key: "intra_op_thread_count" value: { string_value: "1" } }\n'
    )
    (repository / "broken/1").mkdir(parents=True)
    (repository / "broken/1/model.onnx").write_bytes(b"not a graph")
    (repository / "broken/config.pbtxt").write_text((repository / "loose/config.pbtxt").read_text())
    with running("triton", repository, tmp_path_factory.mktemp("bare-servers")) as only_triton:
        yield only_triton


def test_one_line_of_configuration_is_completed_from_the_graph(bare: Servers) -> None:
    with bare.triton() as client:
        client.load_model("one-line")
        config = client.get_model_config("one-line")
        scores = infer(client, "one-line", "image", np.full((2, 64, 64, 3), 51, np.uint8))

    assert config["max_batch_size"] > 1
    (image,) = config["input"]
    assert (image["name"], image["data_type"], [int(size) for size in image["dims"]]) == (
        "image",
        "TYPE_UINT8",
        [64, 64, 3],
    )
    np.testing.assert_allclose(scores, 0.2, atol=1e-6)


def test_what_the_graph_refuses_is_that_requests_error_and_nobody_elses(bare: Servers) -> None:
    with bare.triton() as client:
        client.load_model("loose")

        with pytest.raises(InferenceServerException, match=r"onnxruntime: .*image"):
            infer(client, "loose", "image", np.zeros((1, 32, 32, 3), np.uint8))

        np.testing.assert_allclose(
            infer(client, "loose", "image", np.full((1, 64, 64, 3), 51, np.uint8)), 0.2, atol=1e-6
        )


def test_a_graph_that_cannot_be_opened_is_refused_with_its_path(bare: Servers) -> None:
    with bare.triton() as client:
        with pytest.raises(InferenceServerException, match=r"broken/1/model\.onnx cannot be opened"):
            client.load_model("broken")
        assert client.is_server_ready()
