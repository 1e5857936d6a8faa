"""Show what Telltale says of the samples that set-up makes."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx

from telltale_local._layout import CannotStart

# What is sent, and what it really is.
SAMPLES = {
    "genuine.mp4": "genuine",
    "forged.mp4": "its face blended",
    "portrait.png": "genuine",
    "portrait-forged.png": "its face blended",
    "voice-synthetic.wav": "synthetic voice",
}
ANSWER_WITHIN_S = 120.0


async def demonstrate(url: str, samples: Path) -> int:
    """Send each sample to ``/predict`` and print the verdict.

    0 when every detector that applies answered for every sample; 1 otherwise. What the verdicts say does not matter.

    Raises:
        CannotStart: a sample is missing.
    """
    missing = [name for name in SAMPLES if not (samples / name).is_file()]
    if missing:
        raise CannotStart(f"no {', '.join(missing)} in {samples}; run `make setup`, which makes them")
    whole = 0
    async with httpx.AsyncClient(base_url=url, timeout=ANSWER_WITHIN_S, trust_env=False) as client:
        for name, truth in SAMPLES.items():
            response = await client.post("/predict", files={"file": (name, (samples / name).read_bytes())})
            if response.status_code == HTTPStatus.OK:
                verdict = response.json()
                whole += not verdict["degraded"]
                print("\n".join(verdict_lines(f"{name} ({truth})", verdict)), flush=True)
            else:
                print(f"\n{name} ({truth}): HTTP {response.status_code}\n  {response.text}", flush=True)
    return 0 if whole == len(SAMPLES) else 1


def verdict_lines(name: str, verdict: dict[str, Any]) -> list[str]:
    """One verdict as text: what was decided, and a row for each detector."""
    head = f"{name}: {verdict['label'].upper()}, P(fake) = {verdict['score']:.3f}, {verdict['latency_ms']:.0f} ms"
    if verdict.get("degraded"):
        head += ", degraded"
    return ["", head, *(_row(detector) for detector in verdict["detectors"])]


def _row(detector: dict[str, Any]) -> str:
    served = f"{detector['name']}:{detector['version']}"
    row = f"  {served:<22} {detector['server']:<10} {detector['status']:<15} "
    if detector["status"] != "scored":
        return row + str(detector["reason"])
    return row + f"raw {detector['raw_score']:.3f}  calibrated {detector['score']:.3f}"
