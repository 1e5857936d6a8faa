"""What Prometheus is told: requests, stages, detectors, versions in traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from telltale_contracts import Server

from telltale_gateway.analysis import Verdict
from telltale_gateway.analysis.verdict import Label
from telltale_gateway.rollout import Fleet

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_TENTHS = tuple(i / 10 for i in range(1, 11))


class Telemetry:
    """The gateway's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "telltale_requests", "Answers by route and status.", ["method", "route", "status"], registry=self._registry
        )
        self.request_seconds = Histogram(
            "telltale_request_seconds", "Time to answer.", ["route"], buckets=_SECONDS, registry=self._registry
        )
        self.refusals = Counter(
            "telltale_refusals", "Problems that were answered, by code.", ["code"], registry=self._registry
        )
        self.in_flight = Gauge(
            "telltale_requests_in_flight", "Requests that are being answered or uploaded.", registry=self._registry
        )
        self._analyses_running = Gauge(
            "telltale_analyses_running", "Analyses under way, of as many as are allowed.", registry=self._registry
        )
        self._batches_waiting = Gauge(
            "telltale_batches_waiting", "Batches that no slot is free for.", ["server"], registry=self._registry
        )
        self._stage_seconds = Histogram(
            "telltale_stage_seconds", "Time of each stage.", ["stage"], buckets=_SECONDS, registry=self._registry
        )
        self._verdicts = Counter(
            "telltale_verdicts", "Verdicts by label and modality.", ["label", "modality"], registry=self._registry
        )
        self._detector_results = Counter(
            "telltale_detector_results",
            "What detectors answered, by the version that did.",
            ["detector", "version", "status"],
            registry=self._registry,
        )
        self._detector_scores = Histogram(
            "telltale_detector_score",
            "Calibrated scores.",
            ["detector", "version"],
            buckets=_TENTHS,
            registry=self._registry,
        )
        self._retries = Counter(
            "telltale_detector_retries",
            "Requests that one version could not answer and another did.",
            ["detector", "version", "instead_of"],
            registry=self._registry,
        )
        self._replica_retries = Counter(
            "telltale_replica_retries",
            "Calls that one server could not answer and were made again on another.",
            ["server"],
            registry=self._registry,
        )
        self._detector_ready = Gauge(
            "telltale_detector_ready",
            "Whether the live version passed its last real inference.",
            ["detector", "version"],
            registry=self._registry,
        )

    def observe(self, verdict: Verdict) -> None:
        """Count one verdict and what led to it; the request's line in the log tells of it too."""
        self.observe_together([verdict], verdict.label)

    def observe_together(self, verdicts: Sequence[Verdict], label: Label) -> None:
        """Count the verdicts on the media of one request; its line in the log tells of the label they got together.

        Of each stage it gives the sum over the media, which were worked on beside each other.
        """
        stages = dict.fromkeys((stage for verdict in verdicts for stage in verdict.timings_ms), 0.0)
        for verdict in verdicts:
            for stage, milliseconds in verdict.timings_ms.items():
                stages[stage] += milliseconds
            self._count(verdict)
        versions = dict.fromkeys(name for each in verdicts for name in each.version.split(",") if name)
        structlog.contextvars.bind_contextvars(
            label=label,
            modality=",".join(verdict.modality for verdict in verdicts),
            version=",".join(versions),
            degraded=any(verdict.degraded for verdict in verdicts),
            stages_ms={stage: round(milliseconds, 1) for stage, milliseconds in stages.items()},
        )

    def _count(self, verdict: Verdict) -> None:
        self._verdicts.labels(verdict.label, verdict.modality).inc()
        for stage, milliseconds in verdict.timings_ms.items():
            self._stage_seconds.labels(stage).observe(milliseconds / 1000.0)
        for result in verdict.detectors:
            self._detector_results.labels(result.name, str(result.version), result.status).inc()
            if result.instead_of is not None:
                self._retries.labels(result.name, str(result.version), str(result.instead_of)).inc()
            if result.score is not None:
                self._detector_scores.labels(result.name, str(result.version)).observe(result.score)

    def retried_on_replica(self, server: Server) -> None:
        """A call was made again, on another server of its kind."""
        self._replica_retries.labels(server).inc()

    def totals(self, counter: str, label: str) -> dict[str, int]:
        """What a counter has counted, by one of its labels."""
        totals: dict[str, int] = {}
        for metric in self._registry.collect():
            if metric.name == counter:
                for sample in metric.samples:
                    if sample.name.endswith("_total"):
                        totals[sample.labels[label]] = totals.get(sample.labels[label], 0) + int(sample.value)
        return totals

    def exposition(self, fleet: Fleet, analyses_running: int, batches_waiting: Mapping[Server, int]) -> bytes:
        """Everything in Prometheus' text format."""
        self._analyses_running.set(analyses_running)
        for server, waiting in batches_waiting.items():
            self._batches_waiting.labels(server).set(waiting)
        self._detector_ready.clear()
        for deployed in fleet.detectors.values():
            self._detector_ready.labels(deployed.name, str(deployed.version)).set(deployed.readiness.ready)
        return generate_latest(self._registry)
