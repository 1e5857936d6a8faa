"""The manifests: what Kubernetes' own schemas say of them, and that they agree with compose.yaml."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from telltale_gateway.api.access import OPEN_PATHS
from telltale_gateway.settings import Settings

from tests.deployment.exposure import PUBLIC

Manifest = dict[str, Any]
# What compose.yaml sets for gateways and manifests do not, because the services' own default is the same.
BY_DEFAULT = {
    "TELLTALE_DEADLINES__ANALYSIS_S",
    "TELLTALE_DEADLINES__PREPROCESS_S",
    "TELLTALE_ALLOW_ANONYMOUS",
}
NO_RESOURCES = {"kustomization.yaml", "prometheus-adapter.values.yaml"}


@pytest.fixture(scope="module")
def manifests(root: Path) -> list[Manifest]:
    """Every resource that is applied."""
    folder = root / "deploy/kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    assert set(listed) == {path.name for path in folder.glob("*.yaml")} - NO_RESOURCES
    return [document for name in listed for document in yaml.safe_load_all((folder / name).read_text())]


@pytest.fixture(scope="module")
def deployments(manifests: list[Manifest]) -> dict[str, Manifest]:
    """The deployments by name."""
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == "Deployment"}


def _container(deployment: Manifest) -> Manifest:
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    found: Manifest = container
    return found


def test_they_are_what_kubernetes_allows(root: Path, locked_tool: Callable[[str], Path]) -> None:
    files = [path for path in sorted((root / "deploy/kubernetes").glob("*.yaml")) if path.name not in NO_RESOURCES]
    assert files
    command = [locked_tool("kubernetes-validate"), "--strict", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_is_in_one_namespace(manifests: list[Manifest]) -> None:
    assert {each["metadata"].get("namespace", each["metadata"]["name"]) for each in manifests} == {"telltale"}


def test_pods_keep_the_strictest_profile(deployments: dict[str, Manifest]) -> None:
    for name, deployment in deployments.items():
        pod, container = deployment["spec"]["template"]["spec"], _container(deployment)
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod["automountServiceAccountToken"] is False, name
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name
        assert {"requests", "limits"} <= container["resources"].keys(), name


def test_pods_have_probes_and_services_that_reach_them(
    deployments: dict[str, Manifest], manifests: list[Manifest]
) -> None:
    services = {each["metadata"]["name"]: each["spec"] for each in manifests if each["kind"] == "Service"}
    assert services.keys() == deployments.keys()
    for name, deployment in deployments.items():
        container = _container(deployment)
        assert {"readinessProbe", "livenessProbe", "startupProbe"} <= container.keys(), name
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
        assert services[name]["selector"].items() <= labels.items()
        ports = {port["name"] for port in container["ports"]}
        assert {port["targetPort"] for port in services[name]["ports"]} <= ports


def test_what_is_scaled_exists_and_the_queue_is_a_metric_of_it(
    deployments: dict[str, Manifest], manifests: list[Manifest], root: Path
) -> None:
    scalers = [each["spec"] for each in manifests if each["kind"] == "HorizontalPodAutoscaler"]
    targets = {scaler["scaleTargetRef"]["name"]: scaler for scaler in scalers}
    assert targets.keys() <= deployments.keys()
    (metric,) = targets["preprocess-service"]["metrics"]
    name = metric["pods"]["metric"]["name"]
    source = (root / "preprocess-service/telltale_preprocess/api/metrics.py").read_text()
    assert f'"{name}"' in source
    assert name in (root / "deploy/kubernetes/prometheus-adapter.values.yaml").read_text()
    # Its number of replicas is the autoscaler's, which applying the manifest again must not undo.
    assert "replicas" not in deployments["preprocess-service"]["spec"]


def test_images_are_those_of_compose(deployments: dict[str, Manifest], compose: dict[str, Any]) -> None:
    for name, deployment in deployments.items():
        image = compose["services"][name]["image"]
        before, _, rest = image.partition("${")
        default = rest.partition(":-")[2].rstrip("}")
        assert _container(deployment)["image"] == before + default, name


def test_the_model_repository_is_written_to_by_gateways_alone(deployments: dict[str, Manifest]) -> None:
    for name, deployment in deployments.items():
        for mount in _container(deployment)["volumeMounts"]:
            if mount["name"] == "models":
                assert mount.get("readOnly", False) is (name != "gateway"), name


def test_what_is_public_behind_nginx_is_public_here_and_nothing_else(
    manifests: list[Manifest], routes: frozenset[str]
) -> None:
    (ingress,) = (each for each in manifests if each["kind"] == "Ingress")
    paths = {path["path"]: path["pathType"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]}

    def let_in(route: str) -> bool:
        path = route.partition(" ")[2]
        return any(
            path == rule or (kind == "Prefix" and path.startswith(f"{rule.rstrip('/')}/"))
            for rule, kind in paths.items()
        )

    # One detector's page cannot be told from its history and its rollout by the kinds of paths that an ingress has.
    assert {route for route in routes if let_in(route)} == PUBLIC - {"GET /models/{name}"}
    assert let_in("GET /docs")


def test_gateways_have_the_file_of_keys_and_nobody_is_anonymous(
    deployments: dict[str, Manifest], manifests: list[Manifest], compose: dict[str, Any]
) -> None:
    container = _container(deployments["gateway"])
    environment = {each["name"]: each["value"] for each in container["env"]}
    in_compose = compose["services"]["gateway"]["environment"]["TELLTALE_AUTH__KEYS_FILE"]
    assert environment["TELLTALE_AUTH__KEYS_FILE"] == in_compose.partition("-")[2].rstrip("}")
    mounted = {each["mountPath"]: each for each in container["volumeMounts"]}
    # A folder: a file that is mounted by itself is not replaced when the secret changes.
    assert mounted["/run/keys"]["readOnly"]
    assert "subPath" not in mounted["/run/keys"]
    settings = [each["data"] for each in manifests if each["kind"] == "ConfigMap"]
    assert not any("TELLTALE_ALLOW_ANONYMOUS" in data for data in settings)


def test_gateways_are_set_as_by_compose(
    deployments: dict[str, Manifest], manifests: list[Manifest], compose: dict[str, Any]
) -> None:
    (settings,) = (each["data"] for each in manifests if each["metadata"]["name"] == "settings")
    here = {**settings, **{each["name"]: each["value"] for each in _container(deployments["gateway"])["env"]}}
    there = {
        name: re.sub(r"^\$\{\w+:?-(.*)\}$", r"\1", value)
        for name, value in compose["services"]["gateway"]["environment"].items()
        if name.startswith("TELLTALE_")
    }
    of_gateways = {name for name in here if not name.startswith("TELLTALE_PREPROCESS_MAX_")}
    assert of_gateways - {"TELLTALE_PREPROCESS_WORKERS"} == there.keys() - BY_DEFAULT
    servers = {name: value.replace("preprocess-balancer", "preprocess-service") for name, value in there.items()}
    assert {name: here[name] for name in there.keys() - BY_DEFAULT} == {
        name: servers[name] for name in there.keys() - BY_DEFAULT
    }
    own = Settings(model_repository=Path("/models"), preprocess_url="http://preprocess-service:8010")
    assert own.deadlines.analysis_s == float(there["TELLTALE_DEADLINES__ANALYSIS_S"])
    assert own.deadlines.preprocess_s == float(there["TELLTALE_DEADLINES__PREPROCESS_S"])
    assert str(own.allow_anonymous).lower() == there["TELLTALE_ALLOW_ANONYMOUS"]


def test_uploads_and_films_fit_into_the_room_for_them(
    deployments: dict[str, Manifest], compose: dict[str, Any]
) -> None:
    own = Settings(model_repository=Path("/models"), preprocess_url="http://preprocess-service:8010")
    gateway, deployment = compose["services"]["gateway"], deployments["gateway"]
    environment = gateway["environment"]
    films, upload = (
        int(environment[name].partition(":-")[2].rstrip("}"))
        for name in ("TELLTALE_VISUALIZATIONS__BYTES", "TELLTALE_LIMITS__UPLOAD_BYTES")
    )
    needed = own.limits.concurrent_analyses * upload + films

    def gibibytes(text: str) -> int:
        found = re.search(r"(\d+)(?:g|Gi)\b", text)
        assert found is not None
        return int(found[1]) << 30

    (volume,) = (each for each in deployment["spec"]["template"]["spec"]["volumes"] if each["name"] == "uploads")
    memory = _container(deployment)["resources"]["limits"]["memory"]
    for room, limit in (
        (gateway["tmpfs"][0], gateway["mem_limit"]),
        (volume["emptyDir"]["sizeLimit"], memory),
    ):
        assert needed < gibibytes(room)
        # What waits there counts as the container's memory, beside the process itself.
        assert gibibytes(room) + (1 << 30) <= gibibytes(limit)


def test_probes_ask_what_needs_no_key(deployments: dict[str, Manifest]) -> None:
    container = _container(deployments["gateway"])
    assert {container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "startupProbe")} <= OPEN_PATHS
    assert "GET /health " in container["readinessProbe"]["exec"]["command"][2]
    assert "/health" in OPEN_PATHS


def test_a_gateway_is_ready_where_docker_calls_it_healthy(deployments: dict[str, Manifest], root: Path) -> None:
    *_, code = _container(deployments["gateway"])["readinessProbe"]["exec"]["command"]
    check = re.search(r"^HEALTHCHECK .*?CMD (\[.*?\])$", (root / "gateway/Dockerfile").read_text(), re.M | re.S)
    assert check is not None
    assert json.loads(check[1])[-1] == code
