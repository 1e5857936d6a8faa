"""Rules and dashboard ask for metrics, with labels, that the parts of the stack really export.

The gateway's and preprocess-service's come from their own registries, Triton's from a running tritonserver that serves
a model. What cannot run here (TensorFlow Serving, a GPU, nginx's exporter) is listed by name.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families
from telltale_gateway.telemetry import Telemetry
from telltale_preprocess.api.metrics import Metrics

Labels = frozenset[str]
Exported = Mapping[str, Labels]

# Prometheus adds these to whatever it scrapes.
OF_THE_TARGET = frozenset({"job", "instance"})

# tensorflow_serving/util/prometheus_exporter.cc writes the names as servables/tensorflow/util.cc registers them.
TENSORFLOW_SERVING = {
    ":tensorflow:serving:request_count": frozenset({"model_name", "status"}),
    ":tensorflow:serving:request_latency_bucket": frozenset({"model_name", "API", "entrypoint", "le"}),
}
# Triton's metrics guide; only where there is a GPU.
GPU = {
    name: frozenset({"gpu_uuid"})
    for name in ("nv_gpu_utilization", "nv_gpu_memory_used_bytes", "nv_gpu_memory_total_bytes")
}
# nginx-prometheus-exporter 1.5 over stub_status.
NGINX: Exported = {
    name: frozenset() for name in ("nginx_http_requests_total", "nginx_connections_active", "nginx_connections_waiting")
}

SCRAPE_TRITON = """
import asyncio, os, sys, urllib.request
from pathlib import Path
from telltale_gateway.serving import Triton, Versions

async def load():
    triton = Triton(os.environ["TELLTALE_TRITON_URL"], repository=Path(os.environ["TELLTALE_MODEL_REPOSITORY"]),
                    load_timeout_s=60, slots=1)
    await triton._load("toy-face", frozenset({1}))
    await triton.close()

asyncio.run(load())
print(urllib.request.urlopen(os.environ["TELLTALE_TRITON_METRICS_URL"], timeout=10).read().decode())
"""


def _of_registry(registry: CollectorRegistry) -> Iterator[tuple[str, Labels]]:
    """Each series that a registry can export, also where nothing was counted yet."""
    for collector in set(registry._collector_to_names):
        name, labels = collector._name, frozenset(collector._labelnames)  # type: ignore[attr-defined]
        match collector._type:  # type: ignore[attr-defined]
            case "counter":
                yield f"{name}_total", labels
            case "histogram":
                yield f"{name}_bucket", labels | {"le"}
                yield from ((f"{name}_{part}", labels) for part in ("count", "sum"))
            case _:
                yield name, labels


@pytest.fixture(scope="module")
def triton(toy_repository: Path) -> Exported:
    """What a tritonserver exports that has loaded a model."""
    command = [sys.executable, "-m", "telltale_local", "run", "--only", "triton"]
    command += ["--model-repository", str(toy_repository), "--", sys.executable, "-c", SCRAPE_TRITON]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr
    text = done.stdout[done.stdout.index("# HELP nv_") :]
    return {
        sample.name: frozenset(sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture(scope="module")
def exported(root: Path, triton: Exported) -> dict[str, Labels]:
    """Every series with its labels, those of the recording rules included."""
    series: dict[str, Labels] = {"up": frozenset(), **TENSORFLOW_SERVING, **GPU, **NGINX, **triton}
    # Triton's counters are exported without the suffix that the parser gives them.
    series |= {name.removesuffix("_total"): labels for name, labels in triton.items()}
    for registry in (Telemetry()._registry, Metrics().registry):
        series.update(_of_registry(registry))
    series = {name: labels | OF_THE_TARGET for name, labels in series.items()}
    for rule in _rules(root, "record"):
        series[rule["record"]] = _labels(promql.parse(rule["expr"]), series)
    return series


def _rules(root: Path, kind: str) -> list[dict[str, Any]]:
    documents = [yaml.safe_load(path.read_text()) for path in sorted((root / "monitoring/rules").glob("*.yml"))]
    return [rule for document in documents for group in document["groups"] for rule in group["rules"] if kind in rule]


def _dashboard(root: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((root / "monitoring/grafana/dashboards/telltale.json").read_text())
    return document


def _labels(expression: Any, series: Exported) -> Labels:  # noqa: PLR0911 - one for each kind of expression
    """The labels that an expression's result has; that it asks for none that its parts lack is checked on the way."""
    match expression:
        case promql.VectorSelector():
            assert expression.name in series, f"nobody exports {expression.name}"
            unknown = {matcher.name for matcher in expression.matchers.matchers} - series[expression.name]
            assert not unknown, f"{expression.name} has no label {unknown}"
            return series[expression.name]
        case promql.MatrixSelector():
            return _labels(expression.vector_selector, series)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            return _labels(expression.expr, series)
        case promql.AggregateExpr():
            inner = _labels(expression.expr, series)
            if expression.modifier is None:
                return frozenset()
            assert expression.modifier.type == promql.AggModifierType.By
            wanted = frozenset(expression.modifier.labels)
            assert wanted <= inner, f"{expression} groups by {wanted - inner}, which it does not have"
            return wanted
        case promql.Call():
            found = [_labels(argument, series) for argument in expression.args]
            found = [labels for labels in found if labels]
            every = found[0] if found else frozenset()
            if expression.func.name == "histogram_quantile":
                assert "le" in every, expression
                return every - {"le"}
            return frozenset() if expression.func.name == "absent" else every
        case promql.BinaryExpr():
            left, right = _labels(expression.lhs, series), _labels(expression.rhs, series)
            assert not left or not right or left == right, f"the sides of {expression} never match"
            return left or right
        case _:
            return frozenset()


def test_every_rule_asks_for_what_is_exported(root: Path, exported: Exported) -> None:
    alerts = _rules(root, "alert")
    assert len(alerts) > 5
    for alert in alerts:
        labels = _labels(promql.parse(alert["expr"]), exported)
        said = " ".join(alert["annotations"].values())
        assert set(re.findall(r"\$labels\.(\w+)", said)) <= labels, alert["alert"]
        assert alert["labels"]["severity"] in {"page", "ticket"}


def test_every_panel_asks_for_what_is_exported(root: Path, exported: Exported) -> None:
    dashboard = _dashboard(root)
    assert len(dashboard["panels"]) > 10
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            query = target["expr"].replace("$__rate_interval", "1m").replace("$detector", "face-blend")
            labels = _labels(promql.parse(query), exported)
            assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= labels, panel["title"]
    (variable,) = dashboard["templating"]["list"]
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]).groups()  # type: ignore[union-attr]
    assert label in exported[metric]


def test_what_the_services_count_is_shown_or_judged(root: Path) -> None:
    asked = " ".join(rule["expr"] for kind in ("record", "alert") for rule in _rules(root, kind))
    asked += " ".join(target["expr"] for panel in _dashboard(root)["panels"] for target in panel["targets"])
    # Retries by replica or version, and the whole time of preprocessing, are for whoever looks closer.
    closer = {
        "telltale_detector_retries_total",
        "telltale_replica_retries_total",
        "telltale_preprocess_request_seconds_bucket",
    }
    names = {name for registry in (Telemetry()._registry, Metrics().registry) for name, _ in _of_registry(registry)}
    unseen = {name for name in names if not name.endswith(("_sum", "_count")) and name not in asked}
    assert unseen <= closer


def test_panels_do_not_overlap_and_read_from_the_provisioned_source(root: Path) -> None:
    (source,) = yaml.safe_load((root / "monitoring/grafana/provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    cells: set[tuple[int, int]] = set()
    for panel in _dashboard(root)["panels"]:
        assert panel["datasource"]["uid"] == source["uid"]
        at = panel["gridPos"]
        taken = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        cells |= taken


def test_every_part_is_scraped(root: Path, compose: dict[str, Any]) -> None:
    jobs = yaml.safe_load((root / "monitoring/prometheus.yml").read_text())["scrape_configs"]
    names = {job["job_name"] for job in jobs}
    assert names == {"gateway", "preprocess-service", "triton", "tfserving", "nginx", "prometheus"}
    (tfserving,) = (job for job in jobs if job["job_name"] == "tfserving")
    assert tfserving["metrics_path"] in (root / "deploy/tfserving/monitoring.config").read_text()
    reachable = set(compose["services"]["prometheus"]["networks"])
    for job in jobs:
        for found in job.get("dns_sd_configs", []):
            assert set(compose["services"][found["names"][0]]["networks"]) & reachable, job["job_name"]


def test_promtool_accepts_the_rules_and_their_tests(root: Path, system_tool: Callable[[str, str], str]) -> None:
    promtool = system_tool("promtool", "apt-get install prometheus, or the official tarball")
    rules = sorted((root / "monitoring/rules").glob("*.yml"))
    for command in (["check", "rules", *rules], ["test", "rules", *sorted((root / "monitoring/tests").glob("*.yml"))]):
        done = subprocess.run([promtool, *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
