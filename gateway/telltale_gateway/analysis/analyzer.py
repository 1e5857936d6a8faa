"""The analysis: media and options in, Verdict out."""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from telltale_contracts import InputSpec, Recipe, SoundSpec, TensorBundle

from telltale_gateway.analysis.heatmaps import show
from telltale_gateway.analysis.judgement import Judge
from telltale_gateway.analysis.media import MediaSource, OnlyKind
from telltale_gateway.analysis.options import AnalysisOptions
from telltale_gateway.analysis.preprocess import PreprocessClient
from telltale_gateway.analysis.progress import Listener, Progress, ignore
from telltale_gateway.analysis.report import Timings, compose
from telltale_gateway.analysis.scoring import Outcome, score
from telltale_gateway.analysis.verdict import Verdict
from telltale_gateway.errors import AnalysisTimeout, Busy, NoDetectorAvailable, NothingToAnalyse, UnknownDetector
from telltale_gateway.rollout import Deployed, Dispatcher, Fleet, Reconciler

_RETRY_AFTER_S = 3

_HINTS = {
    "no_usable_face": "Send a larger or sharper picture of the face.",
    "short_track": "Send a longer recording of the face.",
    "no_closed_eyes": "Send a longer recording of the face, in which the person blinks.",
    "no_face": "Send media that shows a face, or sound in which somebody speaks.",
    "no_speech": "Send sound in which somebody speaks.",
    "no_audio": "Send media with sound, or ask for detectors that look at pictures.",
    "no_picture": "Ask for detectors that listen, or send a picture or a video.",
    "not_measured": "Ask GET /models which detectors were measured on this kind of media.",
}


Senses = Literal["all", "hearing"]


@dataclass(frozen=True)
class Study:
    """One analysis: the Verdict, and the bundle that it rests on."""

    verdict: Verdict
    bundle: TensorBundle


class Analyzer:
    """Runs analyses against whatever fleet is live when each begins."""

    def __init__(
        self,
        reconciler: Reconciler,
        dispatcher: Dispatcher,
        preprocess: PreprocessClient,
        judge: Judge,
        *,
        deadline_s: float,
        inference_timeout_s: float,
        explain_timeout_s: float,
        concurrent: int,
    ) -> None:
        self._reconciler = reconciler
        self._dispatcher = dispatcher
        self._preprocess = preprocess
        self._judge = judge
        self._deadline_s = deadline_s
        self._inference_timeout_s = inference_timeout_s
        self._explain_timeout_s = explain_timeout_s
        self._concurrent = concurrent
        self._running = 0

    @property
    def running(self) -> int:
        """How many analyses are under way."""
        return self._running

    async def analyze(
        self,
        media: MediaSource,
        options: AnalysisOptions,
        *,
        request_id: str,
        explain: bool = False,
        listener: Listener = ignore,
    ) -> Verdict:
        """The Verdict on one upload; raises as ``study``."""
        return (await self.study(media, options, request_id=request_id, explain=explain, listener=listener)).verdict

    async def study(
        self,
        media: MediaSource,
        options: AnalysisOptions,
        *,
        request_id: str,
        also: Sequence[InputSpec] = (),
        senses: Senses = "all",
        only: OnlyKind | None = None,
        explain: bool = False,
        listener: Listener = ignore,
    ) -> Study:
        """Analyse one upload, and keep what preprocessing saw of it.

        ``also``: what preprocessing shall produce in the same pass, for others than detectors. ``senses``: "hearing"
        asks only the detectors of sound. ``only``: media of any other kind is refused before it is
        decoded. ``explain`` asks for heatmaps.

        Raises:
            UnknownDetector: a detector was asked for that does not exist, or does not listen where only those do.
            WrongKind: the media is of another kind than the only one.
            UpstreamProblem: the media is not media, damaged, too large or too long.
            NothingToAnalyse: no detector found anything that it could look at.
            NoDetectorAvailable: none of the detectors that apply could answer.
            Busy: as many analyses run as are allowed.
            PreprocessUnavailable: preprocessing cannot be reached.
            AnalysisTimeout: the deadline passed.
        """
        # What a gateway that stood still knew before says nothing of which detectors can answer now.
        await self._reconciler.awake()
        fleet = self._reconciler.fleet
        asked = choose(fleet, options.names, senses)
        if self._running >= self._concurrent:
            raise Busy(
                f"{self._running} analyses are running, as many as are allowed.",
                "Send the same request again in a few seconds.",
                retry_after_s=_RETRY_AFTER_S,
            )
        self._running += 1
        try:
            with self._reconciler.usage.of(asked):
                return await self._analyze(
                    media,
                    options,
                    fleet,
                    asked,
                    request_id=request_id,
                    also=also,
                    only=only,
                    explain=explain,
                    listener=listener,
                )
        finally:
            self._running -= 1

    async def _analyze(
        self,
        media: MediaSource,
        options: AnalysisOptions,
        fleet: Fleet,
        asked: Sequence[Deployed],
        *,
        request_id: str,
        also: Sequence[InputSpec],
        only: OnlyKind | None,
        explain: bool,
        listener: Listener,
    ) -> Study:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._deadline_s):
                listener(Progress("preprocess", 0, 1))
                manifests = [deployed.manifest for deployed in asked]
                sampling = options.sampling(manifest.sampling for manifest in manifests)
                recipe = Recipe.union(
                    (*(manifest.input for manifest in manifests), *also), sampling, only.kind if only else None
                )
                sent = time.perf_counter()
                bundle, sha256 = await asyncio.gather(
                    self._preprocess.bundle(media, recipe, request_id), media.sha256()
                )
                preprocess_ms = (time.perf_counter() - sent) * 1000.0
                listener(Progress("preprocess", 1, 1))
                if only is not None:
                    only.require(bundle.metadata.media)
                outcomes = await self._score_all(asked, bundle, listener)
                explaining = time.perf_counter()
                shown = await show(outcomes, bundle, self._explain_timeout_s) if explain else None
                explain_ms = (time.perf_counter() - explaining) * 1000.0 if explain else None
        except TimeoutError as error:
            raise AnalysisTimeout(
                f"The analysis took longer than {self._deadline_s:g} s.",
                "Send a shorter clip, or ask for fewer frames.",
            ) from error
        require_evidence(outcomes)
        fusing = time.perf_counter()
        judgement = self._judge.judge(outcomes, bundle.metadata)
        fuse_ms = (time.perf_counter() - fusing) * 1000.0
        listener(Progress("fuse", 1, 1))
        total_ms = (time.perf_counter() - started) * 1000.0
        timings = Timings(media.upload_ms, preprocess_ms, explain_ms, fuse_ms, total_ms + media.upload_ms)
        verdict = compose(
            media=media,
            sha256=sha256,
            metadata=bundle.metadata,
            outcomes=outcomes,
            judgement=judgement,
            judge=self._judge,
            shown=shown,
            timings=timings,
            unreadable=[name for name in fleet.unreadable if options.names is None or name in options.names],
        )
        return Study(verdict, bundle)

    async def _score_all(
        self, asked: Sequence[Deployed], bundle: TensorBundle, listener: Listener
    ) -> tuple[Outcome, ...]:
        async def one(deployed: Deployed) -> Outcome:
            outcome = await score(deployed, bundle, self._dispatcher, self._inference_timeout_s)
            if outcome.status == "failed" or outcome.instead_of is not None:
                self._reconciler.suspect(deployed.name)
            return outcome

        tasks = [asyncio.ensure_future(one(deployed)) for deployed in asked]
        try:
            for done, task in enumerate(asyncio.as_completed(tasks), start=1):
                await task
                listener(Progress("detect", done, len(tasks)))
        finally:
            for task in tasks:
                task.cancel()
        return tuple(task.result() for task in tasks)


def choose(fleet: Fleet, names: Sequence[str] | None, senses: Senses = "all") -> tuple[Deployed, ...]:
    """The detectors of a fleet that are asked.

    Raises:
        UnknownDetector: one of the names is not in the fleet, or none of them listens where only such are asked.
        NoDetectorAvailable: none of them is ready, or there is none yet.
    """
    if names is not None and not names:
        raise UnknownDetector("The list of detectors is empty.", _known(fleet))
    for name in names or ():
        if fleet.expected is not None and name not in fleet.expected:
            close = difflib.get_close_matches(name, fleet.expected, n=1)
            hint = f"Did you mean {close[0]}? {_known(fleet)}" if close else _known(fleet)
            raise UnknownDetector(f"There is no detector named {name[:80]!r}.", hint)
    asked = tuple(d for name, d in sorted(fleet.detectors.items()) if names is None or name in names)
    if senses == "hearing":
        listening = tuple(each for each in asked if isinstance(each.manifest.input, SoundSpec))
        if asked and not listening:
            raise UnknownDetector("None of the detectors asked for listens.", _known(fleet))
        asked = listening
    if not any(deployed.readiness.ready for deployed in asked):
        raise NoDetectorAvailable(
            "No detector can answer now: "
            + ("; ".join(_states(fleet, asked, names)) or "the model servers are starting."),
            "Send the same request again in a few seconds; GET /health says when detectors are back.",
            retry_after_s=_RETRY_AFTER_S,
        )
    return asked


def require_evidence(outcomes: Sequence[Outcome]) -> None:
    """See that at least one detector scored.

    Raises:
        NoDetectorAvailable: those that could have, failed.
        NothingToAnalyse: none applies to this media.
    """
    if any(outcome.status == "scored" for outcome in outcomes):
        return
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    if failed:
        raise NoDetectorAvailable(
            "No detector could answer: " + "; ".join(f"{o.deployed.name}: {o.reason}" for o in failed),
            "Send the same request again in a few seconds; GET /health says when detectors are back.",
            retry_after_s=_RETRY_AFTER_S,
        )
    reasons = [outcome.missing for outcome in outcomes]
    code = next((known for known in _HINTS if known in reasons), "not_measured")
    detail = " ".join(dict.fromkeys(_sentence(outcome) for outcome in outcomes))
    raise NothingToAnalyse(detail, _HINTS[code], code=code)


def _sentence(outcome: Outcome) -> str:
    reason = outcome.reason or ""
    text = reason if outcome.missing else f"{outcome.deployed.name} {reason}"
    return text if text.endswith(".") else f"{text}."


def _states(fleet: Fleet, asked: Sequence[Deployed], names: Sequence[str] | None) -> list[str]:
    unreadable = [f"{name}: {why}" for name, why in fleet.unreadable.items() if names is None or name in names]
    return [f"{deployed.name}: {deployed.readiness.reason}" for deployed in asked] + unreadable


def _known(fleet: Fleet) -> str:
    return f"There are: {', '.join(sorted(fleet.expected or ())) or 'none'}."
