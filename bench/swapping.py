"""What clients sent and were answered while versions were swapped, and whether each answer was one that may be."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import yaml
from safetensors.numpy import load_file
from telltale_contracts import CARD_FILE, GOLDEN_FILE, Server
from telltale_gateway.rollout import DispatchFailed
from telltale_gateway.services import RolloutParts

DETECTORS: dict[Server, str] = {"triton": "toy-face", "tfserving": "toy-synthesis"}
# A version that was taken out may answer requests that were sent this long after: all gateways switch within it.
SWITCH_S = 2.0
# How much of the p99 at rest the p99 of a swap may be.
MOST_TIMES = 3.0
# How far a raw score may be from what its version gives, which is what golden scores may differ by.
SAME = 1e-3
# What the detectors are asked straight: this grey everywhere.
GREY = 100

MISSING = "the detector was not there"

Window = tuple[float, float]


@dataclass(frozen=True)
class Answer:
    """One detector's part of one request, by the monotonic clock; ``version`` is None where it was lost.

    ``score`` is the raw one, of the one picture that was asked about.
    """

    way: str
    detector: str
    sent: float
    answered: float
    version: int | None
    score: float | None = None
    sha256: str | None = None
    instead_of: int | None = None
    reason: str | None = None


@dataclass
class Truth:
    """When each version of each detector was live, which bytes it is, and what it gives.

    ``shares`` are the mean brightness, in [0, 1], of what a detector is asked in each way, by the way and the detector.
    """

    shares: dict[tuple[str, str], float]
    spans: dict[tuple[str, int], list[list[float]]] = field(default_factory=dict)
    digests: dict[tuple[str, int], str] = field(default_factory=dict)
    scores: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)

    def knows(self, detector: str, version: int, folder: Path) -> None:
        """A version's files are in this folder.

        Raises:
            RuntimeError: another version gives the same scores, or golden scores say nothing of other inputs.
        """
        card = yaml.safe_load((folder / CARD_FILE).read_text(encoding="utf-8"))
        self.digests[detector, version] = card["artifact"]["sha256"]
        slope, level = golden_line(folder, card["golden"]["scores"])
        for (way, asked), share in self.shares.items():
            if asked == detector:
                score = slope * share + level
                others = self.scores.setdefault((way, detector), {})
                if any(abs(score - other) <= 2 * SAME for other in others.values()):
                    raise RuntimeError(f"{detector} {version} scores as another version does, so neither can be told")
                others[version] = score

    def begins(self, detector: str, version: int) -> None:
        """It is ordered to answer now."""
        self.spans.setdefault((detector, version), []).append([time.monotonic(), float("inf")])

    def ends(self, detector: str, version: int) -> None:
        """Another one answers everywhere now."""
        self.spans[detector, version][-1][1] = time.monotonic() + SWITCH_S

    def objection(self, answer: Answer) -> str | None:
        """Why an answer is wrong: its version was neither live nor just drained, or its bytes or its score are not its
        version's."""
        version = answer.version or 0
        key = (answer.detector, version)
        if not any(answer.answered >= start and answer.sent <= end for start, end in self.spans.get(key, ())):
            return f"{answer.detector} {version} was not live"
        if answer.sha256 != self.digests[key]:
            return f"{answer.detector} {version} was said to be other bytes"
        scores = self.scores[answer.way, answer.detector]
        if answer.score is None or not abs(answer.score - scores[version]) <= SAME:
            by = [v for v, score in scores.items() if answer.score is not None and abs(answer.score - score) <= SAME]
            got = "nothing" if answer.score is None else f"{answer.score:.4f}"
            whose = f"as version {by[0]} does" if by else f"{got} instead of {scores[version]:.4f}"
            return f"{answer.detector} {version} scored {whose}"
        return None


@dataclass(frozen=True)
class Pair:
    """A window of time in which versions came and went, and the one at rest that followed it, by the monotonic clock.

    What else the machine does is alike in both, which cannot be said of minutes that lie far apart.
    """

    swaps: Window
    rest: Window


class Load:
    """Clients that ask until they are stopped."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self._counted = 0
        self._stopped = asyncio.Event()

    async def through_the_gateway(self, url: str, picture: bytes, pause_s: float) -> None:
        """One client on /predict, a connection a request."""
        while not self._stopped.is_set():
            sent = time.monotonic()
            try:
                async with httpx.AsyncClient(base_url=url, timeout=60) as client:
                    response = await client.post("/predict", files={"file": ("face.png", picture)})
            except httpx.TransportError as error:
                self._lost("/predict", sent, f"{type(error).__name__}: {error}")
            else:
                self._take(response, sent)
            await asyncio.sleep(pause_s)

    async def straight(self, parts: RolloutParts, detector: str, pause_s: float) -> None:
        """One client on a detector itself: its version chosen as a gateway chooses it, without preprocessing."""
        items = np.full((1, 64, 64, 3), GREY, np.uint8)
        while not self._stopped.is_set():
            sent = time.monotonic()
            deployed = parts.reconciler.deployed(detector)
            if deployed is None:
                self.answers.append(Answer("straight", detector, sent, time.monotonic(), None, reason=MISSING))
                await asyncio.sleep(pause_s)
                continue
            try:
                with parts.reconciler.usage.of([deployed]):
                    done = await parts.dispatcher.ask(deployed, items, 30.0)
            except DispatchFailed as error:
                self.answers.append(Answer("straight", detector, sent, time.monotonic(), None, reason=str(error)))
            else:
                by = done.deployed
                digest, score = by.card.artifact.sha256 if by.card else None, float(done.scores[0])
                self.answers.append(
                    Answer("straight", detector, sent, time.monotonic(), by.version, score, digest, done.instead_of)
                )
            await asyncio.sleep(pause_s)

    def newly_lost(self) -> int:
        """Parts of requests that ended without an answer since this was asked last."""
        since, self._counted = self._counted, len(self.answers)
        return sum(answer.version is None for answer in self.answers[since:])

    def stop(self) -> None:
        """Let every client end after its present request."""
        self._stopped.set()

    def _take(self, response: httpx.Response, sent: float) -> None:
        if response.status_code != 200:
            self._lost("/predict", sent, f"HTTP {response.status_code}: {response.text[:200]}")
            return
        now = time.monotonic()
        parts = {part["name"]: part for part in response.json()["detectors"]}
        for detector in DETECTORS.values():
            part = parts.get(detector)
            if part is None:
                self.answers.append(Answer("/predict", detector, sent, now, None, reason=MISSING))
                continue
            scored = part["status"] == "scored"
            self.answers.append(
                Answer(
                    "/predict",
                    detector,
                    sent,
                    now,
                    part["version"] if scored else None,
                    part["raw_score"],
                    part["artifact_sha256"],
                    part["instead_of"],
                    part["reason"],
                )
            )

    def _lost(self, way: str, sent: float, reason: str) -> None:
        for detector in DETECTORS.values():
            self.answers.append(Answer(way, detector, sent, time.monotonic(), None, reason=reason))


def golden_line(folder: Path, scores: Sequence[float]) -> tuple[float, float]:
    """Slope and level of a version's golden scores over the mean brightness of its golden inputs, [N, H, W, 3].

    Raises:
        RuntimeError: they are on no line, so that they say nothing of another input.
    """
    shares = load_file(folder / GOLDEN_FILE)["input"].mean(axis=(1, 2, 3)) / 255
    slope, level = np.polyfit(shares, scores, 1)
    if np.abs(slope * shares + level - scores).max() > SAME / 100:
        raise RuntimeError(f"the golden scores of {folder} are not a line over the brightness")
    return float(slope), float(level)


def p99_ms(answers: Sequence[Answer], windows: Sequence[Window]) -> float:
    """99th percentile of the time to answer what was sent within any of the windows, in milliseconds.

    Raises:
        RuntimeError: nothing was answered there.
    """
    sent = [a for a in answers if a.version is not None and any(start <= a.sent <= end for start, end in windows)]
    if not sent:
        raise RuntimeError("a window without an answer says nothing of how long answers take")
    return float(np.percentile([a.answered - a.sent for a in sent], 99)) * 1000


def pace(answers: Sequence[Answer], pairs: Sequence[Pair], way: str) -> str:
    """How long answers took in swaps and at rest: of all windows together, and by the median over the pairs."""
    mine = [a for a in answers if a.way == way]
    swaps = [p99_ms(mine, [pair.swaps]) for pair in pairs]
    rests = [p99_ms(mine, [pair.rest]) for pair in pairs]
    ratios = [swap / rest for swap, rest in zip(swaps, rests, strict=True)]
    ratio = statistics.median(ratios)
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    still, swapping = (p99_ms(mine, [getattr(pair, kind) for pair in pairs]) for kind in ("rest", "swaps"))
    worse, verdict = max(ratio, swapping / still), "holds"
    if worse > MOST_TIMES:
        verdict = "MISSED"
    return (
        f"p99 {way}: {still:.0f} ms at rest, {swapping:.0f} ms while versions come and go ({swapping / still:.1f} x); "
        f"of {len(pairs)} pairs of windows {statistics.median(rests):.0f} and {statistics.median(swaps):.0f} ms by the "
        f"median, {ratio:.1f} x [{low:.1f}, {high:.1f}] within a pair; at most {MOST_TIMES:g} x: {verdict}"
    )


def table(answers: list[Answer], truth: Truth) -> list[str]:
    """Counts for each way and detector."""
    objections = {id(a): why for a in answers if a.version is not None and (why := truth.objection(a)) is not None}
    lines = [f"{'':<26}{'sent':>8}{'answered':>10}{'retried':>9}{'lost':>6}{'wrong':>7}"]
    for way in ("/predict", "straight"):
        for detector in DETECTORS.values():
            mine = [a for a in answers if (a.way, a.detector) == (way, detector)]
            answered = [a for a in mine if a.version is not None]
            retried = sum(a.instead_of is not None for a in answered)
            wrong = sum(id(a) in objections for a in answered)
            lost = len(mine) - len(answered)
            lines.append(f"{way + ' ' + detector:<26}{len(mine):>8}{len(answered):>10}{retried:>9}{lost:>6}{wrong:>7}")
    for detector in DETECTORS.values():
        by_version = Counter(a.version for a in answers if a.detector == detector and a.version is not None)
        lines.append(f"{detector}, answers by version: " + " ".join(f"{v}:{n}" for v, n in sorted(by_version.items())))
    for detector in DETECTORS.values():
        again = Counter(a.instead_of for a in answers if a.detector == detector and a.instead_of is not None)
        if again:
            asked = " ".join(f"{v}:{n}" for v, n in sorted(again.items()))
            lines.append(f"{detector}, asked of another version, by the one that was asked first: {asked}")
    reasons = Counter(a.reason for a in answers if a.version is None)
    lines += [f"lost {count} times: {reason}" for reason, count in reasons.most_common(5)]
    return lines + [f"wrong {count} times: {why}" for why, count in Counter(objections.values()).most_common(5)]
