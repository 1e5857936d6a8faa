"""What clients sent and were answered while versions were swapped, and whether each answer was one that may be."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
import numpy as np
from telltale_contracts import Server
from telltale_gateway.rollout import DispatchFailed
from telltale_gateway.services import RolloutParts

DETECTORS: dict[Server, str] = {"triton": "toy-face", "tfserving": "toy-synthesis"}
# A version that was taken out may answer requests that were sent this long after: all gateways switch within it.
SWITCH_S = 2.0
# How much of the p99 at rest the p99 of a swap may be.
MOST_TIMES = 3.0

Window = tuple[float, float]


@dataclass(frozen=True)
class Answer:
    """One detector's part of one request, by the monotonic clock; ``version`` is None where it was lost."""

    way: str
    detector: str
    sent: float
    answered: float
    version: int | None
    sha256: str | None = None
    instead_of: int | None = None
    reason: str | None = None


@dataclass
class Truth:
    """When each version of each detector was live, and which bytes it is."""

    spans: dict[tuple[str, int], list[list[float]]] = field(default_factory=dict)
    digests: dict[tuple[str, int], str] = field(default_factory=dict)

    def begins(self, detector: str, version: int) -> None:
        """It is ordered to answer now."""
        self.spans.setdefault((detector, version), []).append([time.monotonic(), float("inf")])

    def ends(self, detector: str, version: int) -> None:
        """Another one answers everywhere now."""
        self.spans[detector, version][-1][1] = time.monotonic() + SWITCH_S

    def allows(self, answer: Answer) -> bool:
        """Whether the version that answered was live, or just drained, and its bytes are the ones it names."""
        key = (answer.detector, answer.version or 0)
        in_time = any(answer.answered >= start and answer.sent <= end for start, end in self.spans.get(key, ()))
        return in_time and answer.sha256 == self.digests[key]


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
        items = np.full((1, 64, 64, 3), 100, np.uint8)
        while not self._stopped.is_set():
            sent = time.monotonic()
            deployed = parts.reconciler.deployed(detector)
            if deployed is None:
                raise RuntimeError(f"{detector} is not there")
            try:
                with parts.reconciler.usage.of([deployed]):
                    done = await parts.dispatcher.ask(deployed, items, 30.0)
            except DispatchFailed as error:
                self.answers.append(Answer("straight", detector, sent, time.monotonic(), None, reason=str(error)))
            else:
                by = done.deployed
                digest = by.card.artifact.sha256 if by.card else None
                self.answers.append(
                    Answer("straight", detector, sent, time.monotonic(), by.version, digest, done.instead_of)
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
        for part in response.json()["detectors"]:
            if part["name"] in DETECTORS.values():
                scored = part["status"] == "scored"
                self.answers.append(
                    Answer(
                        "/predict",
                        part["name"],
                        sent,
                        now,
                        part["version"] if scored else None,
                        part["artifact_sha256"],
                        part["instead_of"],
                        part["reason"],
                    )
                )

    def _lost(self, way: str, sent: float, reason: str) -> None:
        for detector in DETECTORS.values():
            self.answers.append(Answer(way, detector, sent, time.monotonic(), None, reason=reason))


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
    lines = [f"{'':<26}{'sent':>8}{'answered':>10}{'retried':>9}{'lost':>6}{'wrong':>7}"]
    for way in ("/predict", "straight"):
        for detector in DETECTORS.values():
            mine = [a for a in answers if (a.way, a.detector) == (way, detector)]
            answered = [a for a in mine if a.version is not None]
            retried = sum(a.instead_of is not None for a in answered)
            wrong = sum(not truth.allows(a) for a in answered)
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
    return lines + [f"lost {count} times: {reason}" for reason, count in reasons.most_common(5)]
