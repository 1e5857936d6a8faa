"""The TensorFlow Serving stand-in over gRPC: answers, errors, and versions that come and go."""

from __future__ import annotations

import shutil
import threading
from contextlib import AbstractContextManager
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc import aio
from numpy.typing import NDArray
from safetensors.numpy import load_file
from telltale_contracts import CARD_FILE, GOLDEN_FILE, VersionCard
from telltale_tfserving import Code, DataType, ModelSpec, ModelVersionStatus, SignatureDefMap, decode_tensor

from tests.local_serving.servers import Servers, wait_until
from tests.local_serving.tfserving_client import TfServing, model_config, spec

TOY = "toy-synthesis"


def grey(level: int, count: int = 1) -> NDArray[np.uint8]:
    return np.full((count, 64, 64, 3), level, np.uint8)


@pytest.fixture
def server(servers: Servers) -> TfServing:
    return TfServing(servers.environment["TELLTALE_TFSERVING_TARGET"])


@pytest.fixture
def base_path(toy_repository: Path, tmp_path: Path) -> Path:
    """A model folder of this test's own, with version 1."""
    return Path(shutil.copytree(toy_repository / TOY, tmp_path / TOY))


@pytest.fixture
def loaded(server: TfServing, base_path: Path) -> TfServing:
    server.reload()
    server.reload(model_config(TOY, base_path))
    return server


def add_version(base_path: Path, version: int) -> None:
    """Publish a copy of version 1 whole, as a rename does."""
    staged = shutil.copytree(base_path / "1", base_path / f".staged-{version}")
    staged.rename(base_path / str(version))


def refused(code: grpc.StatusCode, why: str) -> AbstractContextManager[object]:
    return pytest.raises(aio.AioRpcError, check=lambda e: e.code() == code and why in (e.details() or ""))


def test_golden_inputs_give_their_scores(loaded: TfServing, base_path: Path) -> None:
    golden = VersionCard.from_yaml(base_path / "1" / CARD_FILE).golden

    response = loaded.predict(spec(TOY), image=load_file(base_path / "1" / GOLDEN_FILE)["input"])

    np.testing.assert_allclose(
        decode_tensor(response.outputs["probability"])[:, 0], golden.scores, atol=golden.tolerance
    )
    assert response.model_spec.version.value == 1
    assert response.model_spec.signature_name == "serving_default"


def test_a_message_may_be_larger_than_grpcs_four_megabytes(loaded: TfServing) -> None:
    response = loaded.predict(spec(TOY), image=grey(51, 512))

    np.testing.assert_allclose(decode_tensor(response.outputs["probability"]), np.full((512, 1), 0.8), atol=1e-6)


@pytest.mark.parametrize(
    ("asked", "code", "why"),
    [
        (spec("nobody"), grpc.StatusCode.NOT_FOUND, "Latest(nobody)"),
        (spec(TOY, version=7), grpc.StatusCode.NOT_FOUND, f"Specific({TOY}, 7)"),
        (spec(TOY, label="stable"), grpc.StatusCode.INVALID_ARGUMENT, "Unrecognized servable version label: stable"),
        (spec(TOY, signature="other"), grpc.StatusCode.FAILED_PRECONDITION, '"other" not found'),
        (spec(""), grpc.StatusCode.INVALID_ARGUMENT, "names no model"),
    ],
)
def test_what_is_not_served_is_said_with_its_code(
    loaded: TfServing, asked: ModelSpec, code: grpc.StatusCode, why: str
) -> None:
    with refused(code, why):
        loaded.predict(asked, image=grey(0))


@pytest.mark.parametrize(
    ("inputs", "why"),
    [
        ({"image": grey(0).astype(np.float32)}, "must be uint8, not float32"),
        ({"image": np.zeros((1, 32, 32, 3), np.uint8)}, "must have the shape (None, 64, 64, 3)"),
        ({"picture": grey(0)}, "Sent extra: {picture}. Missing but required: {image}"),
        ({}, "Missing but required: {image}"),
    ],
)
def test_inputs_that_do_not_fit_the_signature_are_invalid(
    loaded: TfServing, inputs: dict[str, NDArray[np.generic]], why: str
) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT, why):
        loaded.predict(spec(TOY), **inputs)


def test_an_output_that_is_not_there_is_invalid(loaded: TfServing) -> None:
    assert set(loaded.predict(spec(TOY), ("probability",), image=grey(0)).outputs) == {"probability"}
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "logits"):
        loaded.predict(spec(TOY), ("logits",), image=grey(0))


def test_metadata_is_the_saved_signature(loaded: TfServing) -> None:
    response = loaded.metadata(spec(TOY), "signature_def")

    signatures = SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    image = signatures.signature_def["serving_default"].inputs["image"]
    assert image.dtype == DataType.DT_UINT8
    assert [dim.size for dim in image.tensor_shape.dim] == [-1, 64, 64, 3]
    assert response.model_spec.version.value == 1
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "cost is not supported"):
        loaded.metadata(spec(TOY), "cost")


def test_a_new_version_takes_over_while_requests_run_and_none_is_lost(loaded: TfServing, base_path: Path) -> None:
    answered: list[int] = []
    lost: list[Exception] = []
    enough = threading.Event()

    def ask() -> None:
        while not enough.is_set():
            try:
                answered.append(loaded.predict(spec(TOY), image=grey(51)).model_spec.version.value)
            except aio.AioRpcError as error:
                lost.append(error)

    clients = [threading.Thread(target=ask) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        wait_until(lambda: 1 in answered, "nobody was answered")
        add_version(base_path, 2)
        wait_until(lambda: 2 in answered, "version 2 did not answer")
        wait_until(lambda: loaded.states(spec(TOY))[1] == "END", "version 1 was not unloaded")
    finally:
        enough.set()
        for client in clients:
            client.join()

    assert lost == []
    assert set(answered) == {1, 2}


def test_a_reload_chooses_versions_and_labels(loaded: TfServing, base_path: Path) -> None:
    for version in (2, 3):
        add_version(base_path, version)

    loaded.reload(model_config(TOY, base_path, versions=(1, 3), labels={"stable": 1, "canary": 3}))

    assert loaded.states(spec(TOY))[1] == loaded.states(spec(TOY))[3] == "AVAILABLE"
    assert loaded.states(spec(TOY)).get(2, "END") == "END"
    answers = {label: loaded.predict(spec(TOY, label=label), image=grey(0)) for label in ("stable", "canary")}
    assert {label: answer.model_spec.version.value for label, answer in answers.items()} == {"stable": 1, "canary": 3}
    assert loaded.predict(spec(TOY), image=grey(0)).model_spec.version.value == 3
    assert loaded.predict(spec(TOY, version=1), image=grey(0)).model_spec.version.value == 1


def test_every_version_and_the_latest_two(loaded: TfServing, base_path: Path) -> None:
    for version in (2, 10):
        add_version(base_path, version)
    two = model_config(TOY, base_path)
    two.model_version_policy.latest.num_versions = 2
    everything = model_config(TOY, base_path)
    everything.model_version_policy.all.SetInParent()

    loaded.reload(two)
    assert {v for v, state in loaded.states(spec(TOY)).items() if state == "AVAILABLE"} == {2, 10}
    loaded.reload(everything)
    assert {v for v, state in loaded.states(spec(TOY)).items() if state == "AVAILABLE"} == {1, 2, 10}


def test_a_label_on_a_version_that_is_not_loaded_is_refused(loaded: TfServing, base_path: Path) -> None:
    with refused(grpc.StatusCode.FAILED_PRECONDITION, "label stable to version 9"):
        loaded.reload(model_config(TOY, base_path, labels={"stable": 9}))

    assert loaded.predict(spec(TOY), image=grey(0)).model_spec.version.value == 1


def test_a_reload_replaces_the_whole_configuration(loaded: TfServing, base_path: Path) -> None:
    loaded.reload(model_config("renamed", base_path))

    assert loaded.predict(spec("renamed"), image=grey(0)).model_spec.version.value == 1
    with refused(grpc.StatusCode.NOT_FOUND, f"Latest({TOY})"):
        loaded.predict(spec(TOY), image=grey(0))
    assert loaded.states(spec(TOY))[1] == "END"


def test_a_model_that_is_nowhere_is_refused_and_the_others_serve_on(
    loaded: TfServing, base_path: Path, tmp_path: Path
) -> None:
    with refused(grpc.StatusCode.NOT_FOUND, "no version of ghost"):
        loaded.reload(model_config(TOY, base_path), model_config("ghost", tmp_path / "nowhere"))

    assert loaded.predict(spec(TOY), image=grey(0)).model_spec.version.value == 1


def test_a_version_that_cannot_be_loaded_displaces_nobody(loaded: TfServing, base_path: Path) -> None:
    (base_path / "2").mkdir()
    (base_path / "2/saved_model.pb").write_bytes(b"not a model")

    def complaint() -> str:
        return "".join(known.status.error_message for known in loaded.status(spec(TOY)) if known.version == 2)

    wait_until(lambda: complaint() != "", "version 2 was not tried")

    assert "Could not load" in complaint()
    (failed,) = loaded.status(spec(TOY, version=2))
    assert (failed.state, failed.status.error_code) == (ModelVersionStatus.END, Code.INTERNAL)
    assert loaded.predict(spec(TOY), image=grey(0)).model_spec.version.value == 1


def test_a_configuration_that_names_a_model_twice_is_invalid(loaded: TfServing, base_path: Path) -> None:
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "multiple times"):
        loaded.reload(model_config(TOY, base_path), model_config(TOY, base_path))
