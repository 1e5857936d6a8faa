"""Which version of which detector answers: read from the repository, brought to the servers, proven by inference."""

from telltale_gateway.rollout.catalog import Catalog, CatalogEntry, Release, read_catalog
from telltale_gateway.rollout.fleet import Deployed, Fleet, Readiness
from telltale_gateway.rollout.probe import GoldenProbe
from telltale_gateway.rollout.reconcile import Reconciler, Rhythm

__all__ = [
    "Catalog",
    "CatalogEntry",
    "Deployed",
    "Fleet",
    "GoldenProbe",
    "Readiness",
    "Reconciler",
    "Release",
    "Rhythm",
    "read_catalog",
]
