"""Which version of which detector answers: read from the repository, brought to the servers, proven by inference."""

from telltale_gateway.rollout.catalog import Catalog, CatalogEntry, CatalogReader
from telltale_gateway.rollout.dispatch import Answered, Dispatcher, DispatchFailed
from telltale_gateway.rollout.fleet import Deployed, Fleet, Readiness, Share
from telltale_gateway.rollout.lease import Lease
from telltale_gateway.rollout.mirror import Mirror
from telltale_gateway.rollout.operations import Operations
from telltale_gateway.rollout.orders import Order, Receipt
from telltale_gateway.rollout.overview import CanaryCounts, Diff, Overview
from telltale_gateway.rollout.presence import Presence, Present
from telltale_gateway.rollout.proving import Prover
from telltale_gateway.rollout.reconcile import Reconciler, Rhythm, Sources, Traffic
from telltale_gateway.rollout.releases import Release
from telltale_gateway.rollout.stages import VersionStatus
from telltale_gateway.rollout.steward import Steward
from telltale_gateway.rollout.store import RolloutStore
from telltale_gateway.rollout.usage import Usage
from telltale_gateway.rollout.waiting import Waiting
from telltale_gateway.rollout.watch import CanaryRules, Watches

__all__ = [
    "Answered",
    "CanaryCounts",
    "CanaryRules",
    "Catalog",
    "CatalogEntry",
    "CatalogReader",
    "Deployed",
    "Diff",
    "DispatchFailed",
    "Dispatcher",
    "Fleet",
    "Lease",
    "Mirror",
    "Operations",
    "Order",
    "Overview",
    "Presence",
    "Present",
    "Prover",
    "Readiness",
    "Receipt",
    "Reconciler",
    "Release",
    "Rhythm",
    "RolloutStore",
    "Share",
    "Sources",
    "Steward",
    "Traffic",
    "Usage",
    "VersionStatus",
    "Waiting",
    "Watches",
]
