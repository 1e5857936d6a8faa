"""compose.yaml on a real engine: who is let in, and how that is changed while it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.compose.stack import OPERATORS, ComposeStack, wait_until

pytestmark = pytest.mark.timeout(1800)

ORDERS = "/models/face-synthesis/rollout"
HISTORY = "/models/face-synthesis/history"
WHY = "to have been let in"
# Enough for each of two gateways to be asked.
ASKED = 6


def test_nobody_gets_anything_without_a_key_but_whether_it_is_alive(stack: ComposeStack, clip: Path) -> None:
    with stack.client() as stranger:
        assert stranger.get("/health").status_code == 200
        assert stranger.get("/ping").json() == {"status": "pong"}
        for refused in (stranger.get("/models"), stranger.post("/predict", files={"file": clip.read_bytes()})):
            assert refused.status_code == 401
            assert refused.json()["code"] == "not_authenticated"
            assert refused.json()["request_id"] == refused.headers["x-request-id"]
    with stack.client(OPERATORS) as stranger:
        assert stranger.get("/metrics").status_code == 401


def test_a_clients_key_changes_nothing_and_an_operators_does(stack: ComposeStack) -> None:
    with stack.client(OPERATORS, stack.key("telltale_api_key")) as client:
        assert client.post(ORDERS, json={"action": "rollback"}).status_code == 403
    with stack.client(OPERATORS, stack.key("telltale_operator_key")) as operator:
        answer = operator.post(ORDERS, json={"action": "pin", "version": 1, "why": WHY})
        assert answer.status_code == 200, answer.text

        def by_whom() -> list[str]:
            return [event["who"] for event in operator.get(HISTORY).json() if event["why"] == WHY]

        # The gateway that is asked may be the other one, which looks at the repository twice a second.
        prefix = stack.key("telltale_operator_key")[:11]
        wait_until(lambda: prefix in " ".join(by_whom()), 30, lambda: f"{prefix}: {by_whom()}")


def test_keys_are_made_and_revoked_while_gateways_run(stack: ComposeStack) -> None:
    def keys(*arguments: str) -> str:
        return stack.compose("run", "--rm", "--no-TTY", "keys", *arguments)

    made = keys("create", "build server").strip()
    assert f"{made[:11]}  " in keys("list")
    with stack.client(key=made) as client:
        assert [client.get("/models").status_code for _ in range(ASKED)] == [200] * ASKED
        keys("revoke", made[:11])
        assert [client.get("/models").status_code for _ in range(ASKED)] == [401] * ASKED
    assert "build server" not in keys("list")
