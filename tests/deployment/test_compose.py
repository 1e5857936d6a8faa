"""compose.yaml: what it allows its services, and that what is written in two places agrees."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from telltale_preprocess.settings import Settings as PreprocessSettings

Compose = dict[str, Any]
# Runs when somebody asks it to, and ends.
ONCE = "keys"
INTERNAL = {"front", "preparing", "decoding", "inference", "watching"}


def test_the_files_are_what_the_specification_allows(root: Path, locked_tool: Callable[[str], Path]) -> None:
    files = sorted(root.glob("compose*.yaml"))
    assert len(files) == 2
    done = subprocess.run(
        [locked_tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("files", [["compose.yaml"], ["compose.yaml", "compose.gpu.yaml"]])
def test_docker_compose_can_read_them(
    root: Path, system_tool: Callable[[str, str], str], tmp_path: Path, files: list[str]
) -> None:
    docker = system_tool("docker", "Docker's CLI with the compose plugin")
    if subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker has no compose plugin (apt-get install docker-compose-plugin, or docker-compose-v2)")
    (tmp_path / "empty.env").touch()
    names = [argument for name in files for argument in ("-f", root / name)]
    command = [docker, "compose", "--env-file", tmp_path / "empty.env", *names, "--profile", "monitoring", "config"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout)["services"]["nginx"]["read_only"] is True


def test_every_service_runs_with_as_little_as_it_needs(compose: Compose) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "cap_add" not in service, name
        assert "privileged" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service["pids_limit"] > 0, name
        if name == ONCE:
            continue
        assert service["restart"] == "unless-stopped", name
        assert "healthcheck" in service or "build" in service, f"{name} has no health check of its own or its image's"


def test_nobody_runs_as_root(compose: Compose, root: Path) -> None:
    for name, service in compose["services"].items():
        if "build" in service and "user" not in service:
            assert "USER 10001:10001" in (root / service["build"]["dockerfile"]).read_text(), name
        else:
            assert service["user"].split(":")[0] not in {"0", "root"}, name


def test_only_nginx_publishes_ports_and_the_operators_on_loopback(compose: Compose) -> None:
    assert [name for name, service in compose["services"].items() if "ports" in service] == ["nginx"]
    *public, operators = compose["services"]["nginx"]["ports"]
    assert [port.rpartition(":")[2] for port in public] == ["8080", "8443"]
    assert operators.startswith("127.0.0.1:")
    assert operators.endswith(":8444")


def test_only_nginx_has_a_route_out(compose: Compose) -> None:
    networks = compose["networks"]
    assert {name for name, network in networks.items() if network.get("internal")} == INTERNAL
    with_network = {name: set(service["networks"]) for name, service in compose["services"].items() if name != ONCE}
    assert {name for name, joined in with_network.items() if joined - INTERNAL} == {"nginx"}
    assert compose["services"][ONCE]["network_mode"] == "none"


def test_preprocessing_meets_nobody_but_its_balancer_and_who_watches(compose: Compose) -> None:
    beside = {name for name, service in compose["services"].items() if "decoding" in service.get("networks", ())}
    assert compose["services"]["preprocess-service"]["networks"] == ["decoding"]
    assert beside == {"preprocess-service", "preprocess-balancer", "prometheus"}
    assert "secrets" not in compose["services"]["preprocess-service"]
    assert "volumes" not in compose["services"]["preprocess-service"]


def test_preprocessing_is_told_its_own_settings_and_nothing_else(compose: Compose) -> None:
    service = compose["services"]["preprocess-service"]
    assert "env_file" not in service
    own = {f"TELLTALE_PREPROCESS_{name}".upper() for name in PreprocessSettings.model_fields}
    assert service["environment"].keys() == own


def test_the_model_repository_is_written_to_by_gateways_alone(compose: Compose) -> None:
    mounts = {
        name: volume
        for name, service in compose["services"].items()
        for volume in service.get("volumes", [])
        if "TELLTALE_MODEL_REPOSITORY_PATH" in volume
    }
    assert mounts.keys() == {"gateway", "triton", "tfserving"}
    assert {name for name, volume in mounts.items() if not volume.endswith(":ro")} == {"gateway"}


def test_other_files_of_the_host_are_read_only(compose: Compose) -> None:
    for name, service in compose["services"].items():
        for volume in service.get("volumes", []):
            host = volume.startswith((".", "$", "/"))
            written = "MODEL_REPOSITORY" in volume or (name == ONCE and volume.endswith("/keys:/run/keys"))
            assert not host or volume.endswith(":ro") or written, f"{name}: {volume}"


def test_callers_are_asked_for_keys_that_only_one_service_can_change(compose: Compose) -> None:
    gateway, once = compose["services"]["gateway"], compose["services"][ONCE]
    assert gateway["environment"]["TELLTALE_AUTH__KEYS_FILE"].endswith("/run/keys/keys.json}")
    assert gateway["environment"]["TELLTALE_ALLOW_ANONYMOUS"].endswith(":-false}")
    (folder,) = once["volumes"]
    assert [volume for volume in gateway["volumes"] if "/keys" in volume] == [f"{folder}:ro"]
    assert once["profiles"] == [ONCE]
    assert once["entrypoint"][-2:] == ["--file", "/run/keys/keys.json"]


def test_the_texts_of_keys_are_mounted_where_they_are_sent_from_alone(compose: Compose, root: Path) -> None:
    with_key = {name for name, service in compose["services"].items() if "telltale_metrics_key" in str(service)}
    assert with_key == {"prometheus"}
    assert not {"telltale_operator_key", "telltale_api_key"} & compose["secrets"].keys()
    jobs = yaml.safe_load((root / "monitoring/prometheus.yml").read_text())["scrape_configs"]
    sending = {job["job_name"]: job["authorization"]["credentials_file"] for job in jobs if "authorization" in job}
    assert sending == {"gateway": "/run/secrets/telltale_metrics_key"}


def test_no_secret_is_in_an_environment(compose: Compose, root: Path) -> None:
    names = set(compose["secrets"])
    for name, service in compose["services"].items():
        environment = service.get("environment", {})
        assert not {key.lower() for key in environment} & names, name
    example = (root / ".env.example").read_text().lower()
    assert [secret for secret in names if f"{secret}=" in example] == []


def test_images_are_pinned(compose: Compose) -> None:
    for name, service in compose["services"].items():
        if "build" in service:
            continue
        _, _, image = service["image"].partition(":-")
        tag = image.rstrip("}").rpartition(":")[2]
        assert any(character.isdigit() for character in tag), f"{name}: {image}"
        assert tag.count(".") >= 1, f"{name}: {image} may become another image by itself"


def test_what_is_healthy_first_is_waited_for(compose: Compose) -> None:
    services = compose["services"]
    assert services["nginx"]["depends_on"] == {"gateway": {"condition": "service_healthy"}}
    assert services["gateway"]["depends_on"].keys() == {"preprocess-balancer", "triton", "tfserving"}


def test_grace_is_longer_than_what_it_is_for(compose: Compose, root: Path) -> None:
    lingering = float((root / "gateway/Dockerfile").read_text().rpartition('"--linger", "')[2].partition('"')[0])
    edge = (root / "nginx/templates/edge.conf.template").read_text()
    passed_over = int(edge.partition("fail_timeout=")[2].partition("s")[0])
    assert (
        lingering < passed_over < int((root / "scripts/deploy.py").read_text().partition("SETTLE_S = ")[2].split()[0])
    )
    drain = int((root / "gateway/Dockerfile").read_text().rpartition('"--drain", "')[2].partition('"')[0])
    assert drain >= 180
    assert int(compose["services"]["gateway"]["stop_grace_period"].rstrip("s")) > drain
