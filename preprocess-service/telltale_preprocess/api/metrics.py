"""What Prometheus is told."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class Metrics:
    """The service's own registry and what is in it."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "telltale_preprocess_requests",
            "Requests for a bundle, by code: ok, or the code of the problem.",
            ["code"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "telltale_preprocess_request_seconds",
            "From the last byte of a request to its bundle, waiting for a worker included.",
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self.stage_seconds = Histogram(
            "telltale_preprocess_stage_seconds",
            "Wall time of the stages of finished bundles.",
            ["stage"],
            registry=self.registry,
            buckets=_BUCKETS,
        )
        self.restarts = Counter(
            "telltale_preprocess_worker_restarts",
            "Workers lost, by reason: died, timeout, memory or cancelled.",
            ["reason"],
            registry=self.registry,
        )
        self.workers = Gauge("telltale_preprocess_workers", "Warmed workers that are alive.", registry=self.registry)
        self.queue = Gauge("telltale_preprocess_queue", "Requests that wait for a worker.", registry=self.registry)
