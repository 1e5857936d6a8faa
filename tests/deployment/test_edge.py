"""nginx: its files as it reads them, and that what it allows is what the gateway allows."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from telltale_asgi.forms import FormLimits
from telltale_gateway.api import headers, uploads
from telltale_gateway.settings import Settings
from telltale_preprocess.api import upload as preprocess_upload
from telltale_preprocess.api.rendering import MAX_DRAWING_BYTES

from tests.deployment.exposure import FOR_OPERATORS, PUBLIC

LIMITS = "nginx/limits.envsh"
EDGE = {
    "EDGE_SERVER_NAME": "localhost",
    "EDGE_REQUESTS_PER_S": "10",
    "EDGE_BURST": "40",
    "EDGE_CONNECTIONS": "20",
    "EDGE_HSTS_S": "0",
}


def _derived(root: Path, **settings: str) -> dict[str, str]:
    """What limits.envsh exports."""
    done = subprocess.run(
        ["sh", "-euc", f'. "{root / LIMITS}"; env'],  # noqa: S607
        env={"PATH": "/usr/bin:/bin", **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = (line.partition("=") for line in done.stdout.splitlines())
    return {name: value for name, _, value in pairs if name.startswith("EDGE_")}


def _filled(root: Path, folder: str, into: Path) -> Path:
    """The configuration as the image's entrypoint writes it, with its places moved below `into`."""
    values = {**EDGE, **_derived(root)}
    for part in ("snippets", "certs"):
        (into / part).mkdir(parents=True)
    (into / "mime.types").write_text("types { text/html html; }\n")

    def moved(text: str) -> str:
        text = re.sub(r"/tmp/|/etc/nginx/", f"{into}/", text)
        return text.replace("/dev/stdout", "/dev/null")

    for snippet in (root / "nginx/snippets").iterdir():
        (into / "snippets" / snippet.name).write_text(moved(snippet.read_text()))
    for template in (root / "nginx" / folder).glob("*.template"):
        text = re.sub(r"\$\{(EDGE_\w+)\}", lambda match: values[match[1]], template.read_text())
        (into / template.stem).write_text(moved(text))
    (into / "main").write_text(moved((root / "nginx/nginx.conf").read_text()))
    return into / "main"


@pytest.mark.parametrize("folder", ["templates", "balancer"])
def test_nginx_accepts_its_files(
    root: Path, tmp_path: Path, system_tool: Callable[[str, str], str], folder: str
) -> None:
    nginx = system_tool("nginx", "1.27.3 or later: the official packages, or Debian 14's")
    version = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True).stderr
    found = re.search(r"nginx/(\d+)\.(\d+)\.(\d+)", version)
    assert found is not None
    if tuple(map(int, found.groups())) < (1, 27, 3):
        pytest.skip(f"{found[0]} cannot resolve names again in an upstream; 1.27.3 is needed")
    configuration = _filled(root, folder, tmp_path)
    certificate = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x"]
    places = ["-keyout", tmp_path / "certs/privkey.pem", "-out", tmp_path / "certs/fullchain.pem"]
    subprocess.run(["openssl", "req", *certificate, *places], check=True, capture_output=True)  # noqa: S607
    done = subprocess.run([nginx, "-t", "-c", configuration], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "[warn]" not in done.stderr.replace('[warn] the "user"', ""), done.stderr


def test_bodies_may_be_as_large_as_the_gateway_allows(root: Path) -> None:
    default = Settings.model_fields["limits"].default.upload_bytes
    for told, media in (({}, default), ({"TELLTALE_LIMITS__UPLOAD_BYTES": "250000000"}, 250_000_000)):
        allowed = _derived(root, **told)
        assert int(allowed["EDGE_BODY_BYTES"]) == FormLimits(media, fields=uploads._MAX_FIELDS).body_bytes
        # preprocess-service must be the one to refuse, since it says why.
        largest = FormLimits(media, fields=preprocess_upload._MAX_FIELDS, field_bytes=MAX_DRAWING_BYTES)
        assert int(allowed["EDGE_BUNDLE_BYTES"]) >= largest.body_bytes


def test_nginx_waits_longer_than_the_services_do(root: Path) -> None:
    deadlines = Settings.model_fields["deadlines"].default
    assert int(_derived(root)["EDGE_ANALYSIS_S"]) > deadlines.analysis_s
    assert int(_derived(root)["EDGE_PREPROCESS_S"]) > deadlines.preprocess_s
    assert int(_derived(root, TELLTALE_DEADLINES__ANALYSIS_S="600.5")["EDGE_ANALYSIS_S"]) > 600


@pytest.mark.parametrize(
    ("told", "suffix"),
    [({}, ""), ({"TELLTALE_EDGE_HTTPS_PORT": "443"}, ""), ({"TELLTALE_EDGE_HTTPS_PORT": "10.0.0.1:8443"}, ":8443")],
)
def test_http_leads_to_the_port_that_is_published(
    root: Path, compose: dict[str, Any], told: dict[str, str], suffix: str
) -> None:
    assert _derived(root, **told)["EDGE_HTTPS_SUFFIX"] == suffix
    template = (root / "nginx/templates/edge.conf.template").read_text()
    assert "return 308 https://$host${EDGE_HTTPS_SUFFIX}$request_uri;" in template
    nginx = compose["services"]["nginx"]
    assert f"{nginx['environment']['TELLTALE_EDGE_HTTPS_PORT']}:8443" in nginx["ports"]


def test_every_variable_of_the_templates_is_given(root: Path, compose: dict[str, Any]) -> None:
    given = {name for name in compose["services"]["nginx"]["environment"] if name.startswith("EDGE_")}
    assert given == EDGE.keys()
    used = {
        name for path in (root / "nginx").rglob("*.template") for name in re.findall(r"\$\{(\w+)\}", path.read_text())
    }
    assert used <= given | _derived(root).keys()
    assert given | _derived(root).keys() <= used


def _operators_only(root: Path, request_line: str) -> bool:
    text = (root / "nginx/templates/edge.conf.template").read_text()
    block = re.search(r"\$telltale_operators_only \{(.*?)\n\}", text, re.DOTALL)
    assert block is not None
    patterns = re.findall(r'"~(.*?)" 1;', block[1])
    assert len(patterns) == 4
    return any(re.search(pattern, request_line) for pattern in patterns)


def test_each_route_of_the_gateway_is_public_or_for_operators_by_intention(root: Path, routes: frozenset[str]) -> None:
    assert routes == PUBLIC | FOR_OPERATORS
    concrete = {route: route.replace("{name}", "face-blend").replace("{filename}", "0.mp4") for route in routes}
    assert {route for route, line in concrete.items() if _operators_only(root, line)} == FOR_OPERATORS


@pytest.mark.parametrize(
    ("request_line", "public"),
    [
        ("GET /docs", True),
        ("GET /redoc", True),
        ("GET /openapi.json", True),
        ("HEAD /models", True),
        ("GET /grafana/", False),
        ("HEAD /metrics", False),
        ("GET /models/face-blend/rollout", False),
        ("GET /models/face-blend/history/", False),
        ("DELETE /models/face-blend", False),
        ("POST /models", False),
    ],
)
def test_what_only_operators_may_ask_is_not_public(root: Path, request_line: str, public: bool) -> None:
    assert _operators_only(root, request_line) is not public


def test_a_film_goes_on_as_it_comes_and_a_kept_file_is_looked_for_at_each_replica(
    root: Path, routes: frozenset[str]
) -> None:
    text = (root / "nginx/snippets/answers.conf").read_text()
    locations = dict(re.findall(r"^location (.*?) \{(.*?)^\}", text, re.DOTALL | re.MULTILINE))
    assert {"POST /analyze/visualize", "GET /visualization/{filename}"} <= routes
    assert "proxy_buffering off;" in locations["= /analyze/visualize"]
    assert "http_404;" in locations["/visualization/"]
    template = (root / "nginx/templates/edge.conf.template").read_text()
    assert template.count("snippets/answers.conf;") == template.count("listen 844")


def test_no_header_is_said_twice(root: Path) -> None:
    names = re.findall(r"^add_header (\S+)", (root / "nginx/snippets/headers.conf").read_text(), re.MULTILINE)
    hidden = re.findall(r"^proxy_hide_header (\S+);", (root / "nginx/snippets/proxy.conf").read_text(), re.MULTILINE)
    assert set(names) & (headers._ALWAYS.keys() | {"Content-Security-Policy"}) == set(hidden)


def test_a_location_that_adds_a_header_keeps_the_others(root: Path) -> None:
    for path in [*(root / "nginx").rglob("*.conf"), *(root / "nginx").rglob("*.template")]:
        for location in re.findall(r"\n\s*location [^{]*\{(.*?)\n\s*\}", path.read_text(), re.DOTALL):
            assert "add_header" not in location or "snippets/headers.conf" in location, f"{path.name}: {location}"
