"""The TensorFlow Serving stand-in over REST."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.local_serving.servers import Servers
from tests.local_serving.tfserving_client import TfServing, model_config

TOY = "toy-over-rest"
GREY = [[[51, 51, 51]] * 64] * 64


@pytest.fixture
def client(servers: Servers, toy_repository: Path) -> Iterator[httpx.Client]:
    config = model_config(TOY, toy_repository / "toy-synthesis", labels={"stable": 1})
    TfServing(servers.environment["TELLTALE_TFSERVING_TARGET"]).reload(config)
    with httpx.Client(base_url=servers.environment["TELLTALE_TFSERVING_URL"], timeout=30, trust_env=False) as client:
        yield client


@pytest.mark.parametrize("place", [TOY, f"{TOY}/versions/1", f"{TOY}/labels/stable"])
@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"instances": [GREY, GREY]}, {"predictions": [[0.8], [0.8]]}),
        ({"instances": [{"image": GREY}]}, {"predictions": [[0.8]]}),
        ({"inputs": {"image": [GREY]}, "signature_name": "serving_default"}, {"outputs": [[0.8]]}),
        ({"inputs": [GREY]}, {"outputs": [[0.8]]}),
    ],
)
def test_predict(client: httpx.Client, place: str, body: dict[str, Any], answer: dict[str, Any]) -> None:
    response = client.post(f"/v1/models/{place}:predict", json=body)

    assert response.status_code == 200, response.text
    ((key, values),) = response.json().items()
    assert {key: [[round(value, 6) for value in row] for row in values]} == answer


def test_status_and_metadata(client: httpx.Client) -> None:
    for place in (TOY, f"{TOY}/versions/1"):
        (version,) = client.get(f"/v1/models/{place}").json()["model_version_status"]
        assert version == {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    metadata = client.get(f"/v1/models/{TOY}/metadata").json()
    assert metadata["model_spec"] == {"name": TOY, "signature_name": "", "version": "1"}
    image = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["image"]
    assert image["dtype"] == "DT_UINT8"
    assert [dim["size"] for dim in image["tensor_shape"]["dim"]] == ["-1", "64", "64", "3"]


@pytest.mark.parametrize(
    ("asked", "status", "error"),
    [
        (("GET", "/v1/models/nobody", b""), 404, "Could not find any versions of model nobody"),
        (("GET", "/v1/other", b""), 404, "Malformed request: GET /v1/other"),
        (("POST", f"/v1/models/{TOY}:classify", b"{}"), 404, "Malformed request"),
        (("POST", f"/v1/models/{TOY}/versions/9:predict", b'{"inputs": 1}'), 404, "Servable not found"),
        (("POST", f"/v1/models/{TOY}:predict", b"not json"), 400, "JSON Parse error"),
        (("POST", f"/v1/models/{TOY}:predict", b"{}"), 400, "either 'instances' or 'inputs'"),
        (("POST", f"/v1/models/{TOY}:predict", b'{"instances": []}'), 400, "not empty"),
        (("POST", f"/v1/models/{TOY}:predict", b'{"instances": [[300]]}'), 400, "cannot be read"),
        (("POST", f"/v1/models/{TOY}:predict", b'{"inputs": {"sound": 1}}'), 400, "no input sound"),
        (("POST", f"/v1/models/{TOY}:predict", b'{"inputs": [[1]]}'), 400, "must have the shape"),
        (
            ("POST", f"/v1/models/{TOY}/labels/other:predict", b'{"inputs": 1}'),
            400,
            "Unrecognized servable version label",
        ),
    ],
)
def test_an_error_is_one_sentence_with_its_status(
    client: httpx.Client, asked: tuple[str, str, bytes], status: int, error: str
) -> None:
    method, path, body = asked
    response = client.request(method, path, content=body)

    assert response.status_code == status
    assert list(response.json()) == ["error"]
    assert error in response.json()["error"]
