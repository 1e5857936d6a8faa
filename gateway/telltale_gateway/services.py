"""What the gateway is made of, opened and closed together."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from telltale_contracts import Server

from telltale_gateway.analysis import Analyzer, PreprocessClient
from telltale_gateway.analysis.fusion import RivalForgeries
from telltale_gateway.analysis.judgement import Judge, LabelRules
from telltale_gateway.artifacts import Artifacts
from telltale_gateway.fetching import UrlFetcher
from telltale_gateway.rollout import (
    CanaryRules,
    CatalogReader,
    Dispatcher,
    Lease,
    Mirror,
    Operations,
    Overview,
    Presence,
    Prover,
    Reconciler,
    Rhythm,
    RolloutStore,
    Sources,
    Steward,
    Traffic,
    Usage,
    Waiting,
    Watches,
)
from telltale_gateway.security import Guard
from telltale_gateway.serving import Backend, Replicas, TensorFlowServing, Triton
from telltale_gateway.settings import Settings
from telltale_gateway.spooling import Spools
from telltale_gateway.telemetry import Telemetry

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """Everything that a request can need."""

    analyzer: Analyzer
    reconciler: Reconciler
    operations: Operations
    overview: Overview
    preprocess: PreprocessClient
    telemetry: Telemetry
    guard: Guard | None
    fetcher: UrlFetcher | None
    judge: Judge
    artifacts: Artifacts
    spools: Spools
    backends: Mapping[Server, Backend]


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Open the connections and start the reconcile loop; on leaving, stop and close them."""
    async with AsyncExitStack() as stack:
        telemetry = Telemetry()
        guard = Guard.of(settings.auth)
        if guard is not None:
            stack.push_async_callback(guard.close)
        fetcher = _fetcher(settings)
        if fetcher is not None:
            stack.push_async_callback(fetcher.close)
        backends: dict[Server, Backend] = {}
        for backend in server_backends(settings, telemetry):
            stack.push_async_callback(backend.close)
            backends[backend.server] = backend
        preprocess = PreprocessClient(
            settings.preprocess_url,
            timeout_s=settings.deadlines.preprocess_s,
            head_starts=settings.limits.concurrent_analyses,
        )
        stack.push_async_callback(preprocess.close)
        rollout = rollout_parts(settings, backends)
        judge = _judge(settings)
        artifacts = _artifacts(settings)
        stack.callback(artifacts.close)
        analyzer = Analyzer(
            rollout.reconciler,
            rollout.dispatcher,
            preprocess,
            judge,
            deadline_s=settings.deadlines.analysis_s,
            inference_timeout_s=settings.deadlines.inference_s,
            explain_timeout_s=settings.deadlines.explain_s,
            concurrent=settings.limits.concurrent_analyses,
        )
        for name, work in (
            ("reconcile", rollout.reconciler.run()),
            ("mirror", rollout.mirror.run()),
            ("artifacts", artifacts.run()),
            ("copies left over", asyncio.to_thread(rollout.operations.remove_left_over)),
        ):
            stack.push_async_callback(_stop, asyncio.create_task(work, name=name))
        yield Services(
            analyzer,
            rollout.reconciler,
            rollout.operations,
            rollout.overview,
            preprocess,
            telemetry,
            guard,
            fetcher,
            judge=judge,
            artifacts=artifacts,
            spools=Spools(in_memory=settings.limits.concurrent_analyses),
            backends=backends,
        )


@dataclass(frozen=True)
class RolloutParts:
    """What decides which version answers."""

    reconciler: Reconciler
    dispatcher: Dispatcher
    mirror: Mirror
    operations: Operations
    overview: Overview


def rollout_parts(settings: Settings, backends: Mapping[Server, Backend]) -> RolloutParts:
    """The rollout over these servers; its loop and its mirror are the caller's to run."""
    repository = settings.model_repository
    # Callers are told the name, and the log which machine and process it is.
    store, presence = RolloutStore(repository), Presence(repository, f"gateway-{secrets.token_hex(4)}")
    _log.info("%s is process %d of %s", presence.gateway, os.getpid(), socket.gethostname())
    servers = [*(url for url, _ in settings.tritons), *settings.tfserving_targets]
    prover = Prover(settings.deadlines.probe_s)
    traffic = Traffic(Usage(), Watches(CanaryRules(**settings.canary.model_dump())))
    reconcile = settings.reconcile
    reconciler = Reconciler(
        Sources(CatalogReader(repository, reconcile.settle_s), Lease(repository, servers), presence),
        backends,
        prover,
        Steward(store, prover),
        traffic=traffic,
        rhythm=Rhythm(reconcile.interval_s, reconcile.probe_interval_s, reconcile.linger_s),
    )
    mirror = Mirror(traffic.usage, settings.rollout.mirror_room)
    dispatcher = Dispatcher(reconciler.deployed, mirror, traffic.watches, reconciler.awake)
    waiting = Waiting(reconciler, presence, traffic.usage, settings.rollout.wait_s)
    return RolloutParts(
        reconciler,
        dispatcher,
        mirror,
        Operations(repository, store, reconciler, waiting, staging_root=settings.staging_root),
        Overview(
            repository,
            reconciler,
            traffic,
            mirror,
            dispatcher.shadows,
            presence=presence,
            timeout_s=settings.deadlines.probe_s,
        ),
    )


def server_backends(settings: Settings, telemetry: Telemetry) -> list[Backend]:
    """The model servers that are configured, one of each kind, of several replicas where there are."""
    key = settings.triton_control_key
    tritons: list[Backend] = [
        Triton(
            url,
            control=control,
            control_key=key.get_secret_value() if key else None,
            instances=settings.triton_instances,
            repository=settings.model_repository,
            load_timeout_s=settings.deadlines.load_s,
            slots=settings.limits.batches_per_server,
        )
        for url, control in settings.tritons
    ]
    tfservings: list[Backend] = [
        TensorFlowServing(
            target,
            model_root=settings.tfserving_model_root or settings.model_repository.absolute(),
            load_timeout_s=settings.deadlines.load_s,
            slots=settings.limits.batches_per_server,
        )
        for target in settings.tfserving_targets
    ]
    kinds = [kind for kind in (tritons, tfservings) if kind]
    return [kind[0] if len(kind) == 1 else Replicas(kind, telemetry.retried_on_replica) for kind in kinds]


def _artifacts(settings: Settings) -> Artifacts:
    kept = settings.visualizations
    return Artifacts(keep_s=kept.keep_s, most_files=kept.files, most_bytes=kept.bytes)


def _fetcher(settings: Settings) -> UrlFetcher | None:
    urls = settings.urls
    if not urls.enabled:
        return None
    return UrlFetcher(
        limit_bytes=settings.limits.upload_bytes,
        timeout_s=urls.timeout_s,
        ports=urls.ports,
        concurrent=urls.concurrent,
    )


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
