"""What /predict says of labelled media: one line a file, then label against verdict, by modality and family.

    .venvs/services/bin/python -m telltale_local run -- .venvs/services/bin/python bench/verdicts.py --media DATA

Without the first half it asks the gateway at TELLTALE_URL, or at --url. The folder holds ``labels.csv`` (path,
modality, label, family). Videos are all sent; sounds and images are drawn at random, half of them fake, with a fixed
seed. Exits 1 when any answer was a server error.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx


@dataclass(frozen=True)
class Labelled:
    """One file of the folder."""

    path: str
    modality: str
    label: str
    family: str


@dataclass(frozen=True)
class Answer:
    """What came back for it."""

    media: Labelled
    status: int
    verdict: str
    detail: str


def main() -> int:
    """Send everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default=os.environ.get("TELLTALE_URL", "http://127.0.0.1:8000"))
    parser.add_argument("--media", type=Path, required=True)
    parser.add_argument("--sounds", type=int, default=20)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with (options.media / "labels.csv").open(newline="") as rows:
        labelled = [Labelled(r["path"], r["modality"], r["label"], r["family"]) for r in csv.DictReader(rows)]
    chosen = [m for m in labelled if m.modality == "video"]
    draw = random.Random(options.seed)  # noqa: S311 - a sample, not a secret
    for modality, count in (("audio", options.sounds), ("image", options.images)):
        for label in ("real", "fake"):
            pool = [m for m in labelled if (m.modality, m.label) == (modality, label)]
            chosen += draw.sample(pool, min(len(pool), count // 2))
    with httpx.Client(base_url=options.url, timeout=180) as client:
        answers = [ask(client, options.media, media) for media in chosen]
    for answer in answers:
        m = answer.media
        print(f"{m.modality:6} {m.label:5} {m.family:24} {answer.status} {answer.verdict:10} {answer.detail}  {m.path}")
    print_tables(answers)
    return int(any(answer.status >= 500 for answer in answers))


def ask(client: httpx.Client, folder: Path, media: Labelled) -> Answer:
    """Post one file."""
    with (folder / media.path).open("rb") as stream:
        response = client.post("/predict", files={"file": (Path(media.path).name, stream)})
    body = response.json()
    if response.status_code != 200:
        return Answer(media, response.status_code, body.get("code", "?"), body.get("detail", "")[:90])
    scores = " ".join(f"{d['name']}={d['score']:.2f}" for d in body["detectors"] if d["score"] is not None)
    return Answer(media, 200, body["label"], f"{body['score']:.2f} {body['latency_ms']:6.0f} ms {scores}")


def print_tables(answers: list[Answer]) -> None:
    """Label against verdict, and the same by family."""
    verdicts = sorted({answer.verdict for answer in answers})
    for title, key in (
        ("modality and label", lambda a: f"{a.media.modality} {a.media.label}"),
        ("family", lambda a: f"{a.media.modality} {a.media.label} {a.media.family}"),
    ):
        print(f"\n{title:42}" + "".join(f"{verdict:>14}" for verdict in verdicts))
        for row in sorted({key(answer) for answer in answers}):
            counts = Counter(answer.verdict for answer in answers if key(answer) == row)
            print(f"{row:42}" + "".join(f"{counts[verdict]:>14}" for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
