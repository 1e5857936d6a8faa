"""What a test does as an operator: put versions into a repository, give orders, and look."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from tests.integration.stack import RunningStack


@dataclass
class Operator:
    """An operator of one stack; every version that is put there gets a number that no other had."""

    stack: RunningStack
    versions: Path
    staging: Path
    _numbers: Any = field(default_factory=lambda: itertools.count(2))

    def packaged(self, detector: str, kind: str, place: Path, number: int | None = None) -> int:
        """A version's folder of its own, whose card has the next number; the number."""
        number = number or next(self._numbers)
        shutil.copytree(self.versions / detector / kind, place)
        card = yaml.safe_load((place / "card.yaml").read_text())
        card["version"] = number
        (place / "card.yaml").write_text(yaml.safe_dump(card))
        return number

    def drop_in(self, detector: str, kind: str, number: int | None = None) -> int:
        """Put a version into the repository by one rename; its number."""
        home = self.stack.repository / detector
        number = self.packaged(detector, kind, home / ".coming", number)
        (home / ".coming").rename(home / str(number))
        return number

    def order(self, detector: str, action: str, **order: Any) -> httpx.Response:
        """POST one order."""
        body = {"action": action, "why": "a test", **order}
        return self.stack.client.post(f"/models/{detector}/rollout", json=body)

    def ordered(self, detector: str, action: str, **order: Any) -> dict[str, Any]:
        """POST one order that must be taken; its receipt."""
        response = self.order(detector, action, **order)
        assert response.status_code == 200, response.text
        receipt: dict[str, Any] = response.json()
        return receipt

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Type a command."""
        command = [sys.executable, "-m", "telltale", "--url", str(self.stack.client.base_url), "models"]
        return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, timeout=180)

    def model(self, detector: str) -> dict[str, Any]:
        """GET one detector."""
        model: dict[str, Any] = self.stack.client.get(f"/models/{detector}").json()
        return model

    def version(self, detector: str, number: int) -> dict[str, Any]:
        """Where one version stands; stage "absent" where there is none."""
        versions = self.model(detector).get("versions", [])
        found: dict[str, Any] = next((v for v in versions if v["version"] == number), {"stage": "absent"})
        return found

    def wait_for(self, detector: str, number: int, *stages: str, seconds: float = 40.0) -> dict[str, Any]:
        """Until a version is at one of the stages."""
        self.stack.wait_until(
            lambda: self.version(detector, number)["stage"] in stages,
            seconds,
            f"{detector} {number} was not {' or '.join(stages)}",
        )
        return self.version(detector, number)

    def leave_only_live(self, detector: str) -> None:
        """Take out whatever stands beside the live version."""
        rollout = self.model(detector)["rollout"]
        beside = [*rollout["candidates"], *(rollout[part]["version"] for part in ("canary", "shadow") if rollout[part])]
        for number in dict.fromkeys(beside):
            if number != rollout["live"]:
                self.order(detector, "drain", version=number)

    def history(self, detector: str) -> list[dict[str, Any]]:
        """GET a detector's history."""
        events: list[dict[str, Any]] = self.stack.client.get(f"/models/{detector}/history").json()
        return events

    def events(self, detector: str, number: int) -> list[str]:
        """What was done to one version, oldest first."""
        return [event["action"] for event in self.history(detector) if event["version"] == number]

    def answer(self, media: Path, detector: str) -> dict[str, Any]:
        """What a detector says of one upload."""
        response = self.stack.predict(media)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = next(d for d in response.json()["detectors"] if d["name"] == detector)
        return found
