"""What stands in the examples for what no two answers have alike."""

from __future__ import annotations

import re
from typing import Any

STANDINS: dict[str, Any] = {
    "id": "5d0c7f2e9a4b4c1f8e3a6b7d2c9f1e04",
    "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    "artifact_sha256": "fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9",
    "timestamp": "2026-01-31T12:00:00Z",
    "latency_ms": 184.2,
    "timings_ms": {"upload": 3.1, "decode": 61.0, "faces": 72.4, "features": 9.6, "wait": 8.3, "triton": 24.0,
                   "tfserving": 18.5, "fuse": 0.4},
    "processing_time": 0.1842,
    "processing_breakdown": {"upload": 0.0031, "decode": 0.061, "faces": 0.0724, "features": 0.0096, "wait": 0.0083,
                             "triton": 0.024, "tfserving": 0.0185, "fuse": 0.0004, "visualization": 0.212},
    "spectrogram_url": "/visualization/Zk3vQ9fZ1LrT8mXw2BnY6p.png",
    "spectrogram_data": "iVBORw0KGgo=",
    "visualization_filename": "Hc7Kq2TnX4vWb9RmJ6sLdA.mp4",
    "platform": "Linux",
    "python": "3.11.2",
    "cpus": 8,
    "load_average": [0.7, 0.5, 0.4],
    "peak_memory_mb": 164.0,
    "requests": 1204,
    "requests_by_status": {"200": 1190, "415": 14},
    "verdicts": 640,
    "verdicts_by_label": {"fake": 210, "real": 390, "uncertain": 40},
    "verdicts_by_modality": {"audio": 40, "image": 300, "video": 300},
}  # fmt: skip


def filled(answer: Any, key: str = "") -> Any:
    """A golden answer with something in the place of whatever is volatile."""
    if isinstance(answer, str) and re.fullmatch(r"<\w+>", answer):
        return STANDINS[key]
    if isinstance(answer, dict):
        return {name: filled(value, name) for name, value in answer.items()}
    return [filled(value) for value in answer] if isinstance(answer, list) else answer
