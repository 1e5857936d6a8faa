"""What the gateway is made of, opened and closed together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from telltale_contracts import Server

from telltale_gateway.analysis import Analyzer, PreprocessClient
from telltale_gateway.analysis.fusion import RivalForgeries
from telltale_gateway.analysis.judgement import Judge, LabelRules
from telltale_gateway.rollout import GoldenProbe, Reconciler, Rhythm
from telltale_gateway.serving import Backend, TensorFlowServing, Triton
from telltale_gateway.settings import Settings
from telltale_gateway.telemetry import Telemetry


@dataclass(frozen=True)
class Services:
    """Everything that a request can need."""

    analyzer: Analyzer
    reconciler: Reconciler
    preprocess: PreprocessClient
    telemetry: Telemetry


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Open the connections and start the reconcile loop; on leaving, stop and close them."""
    async with AsyncExitStack() as stack:
        backends: dict[Server, Backend] = {}
        for backend in _backends(settings):
            stack.push_async_callback(backend.close)
            backends[backend.server] = backend
        preprocess = PreprocessClient(settings.preprocess_url, timeout_s=settings.deadlines.preprocess_s)
        stack.push_async_callback(preprocess.close)
        reconciler = Reconciler(
            settings.model_repository,
            backends,
            GoldenProbe(settings.deadlines.probe_s),
            Rhythm(
                interval_s=settings.reconcile.interval_s,
                probe_interval_s=settings.reconcile.probe_interval_s,
                linger_s=settings.deadlines.analysis_s,
            ),
        )
        analyzer = Analyzer(
            reconciler,
            preprocess,
            _judge(settings),
            deadline_s=settings.deadlines.analysis_s,
            inference_timeout_s=settings.deadlines.inference_s,
            concurrent=settings.limits.concurrent_analyses,
        )
        loop = asyncio.create_task(reconciler.run(), name="reconcile")
        stack.push_async_callback(_stop, loop)
        yield Services(analyzer, reconciler, preprocess, Telemetry())


def _backends(settings: Settings) -> list[Backend]:
    backends: list[Backend] = []
    if settings.triton_url:
        key = settings.triton_control_key
        backends.append(
            Triton(
                settings.triton_url,
                repository=settings.model_repository,
                load_timeout_s=settings.deadlines.load_s,
                slots=settings.limits.batches_per_server,
                control_key=key.get_secret_value() if key else None,
                instances=settings.triton_instances,
            )
        )
    if settings.tfserving_target:
        root = settings.tfserving_model_root or settings.model_repository.absolute()
        backends.append(
            TensorFlowServing(
                settings.tfserving_target,
                model_root=root,
                load_timeout_s=settings.deadlines.load_s,
                slots=settings.limits.batches_per_server,
            )
        )
    return backends


def _judge(settings: Settings) -> Judge:
    fusion = settings.fusion
    rules = LabelRules(
        threshold=fusion.threshold,
        uncertain=fusion.uncertain,
        min_face_quality=fusion.min_face_quality,
        contradiction=fusion.contradiction,
    )
    return Judge(RivalForgeries(fusion.prior_fake, fusion.shares), rules)


async def _stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
