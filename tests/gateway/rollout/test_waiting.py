"""Orders that are waited for where nothing can come of them."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.gateway.running import problem_of, running_gateway


def test_what_takes_longer_than_a_request_may_wait_is_still_going_on(toy_repository: Path, tmp_path: Path) -> None:
    repository = shutil.copytree(toy_repository, tmp_path / "model-repository")
    folder = tmp_path / "gateway"
    folder.mkdir()
    with running_gateway(repository, folder, {"TELLTALE_ROLLOUT__WAIT_S": "0.3"}) as gateway:
        order = {"action": "pin", "version": 1, "wait": True}
        response = gateway.client.post("/models/toy-face/rollout", json=order)
        problem = problem_of(response, 504, "order_pending")
        assert str(tmp_path) not in problem.detail + problem.hint
