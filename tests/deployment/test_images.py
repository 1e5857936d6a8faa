"""The Dockerfiles, and the lock files that they install."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

DOCKERFILES = ("gateway/Dockerfile", "preprocess-service/Dockerfile")
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)

# Hides from imports what belongs to distributions other than those named.
WITHOUT_THE_REST = """
import re, sys
from importlib.metadata import packages_distributions

class Rest:
    held, owners = set(sys.argv[1:]), packages_distributions()

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        owners = {re.sub(r"[-_.]+", "-", owner).lower() for owner in cls.owners.get(name.partition(".")[0], ())}
        if owners and not owners & cls.held and not name.startswith("telltale"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Rest)
"""


@contextmanager
def _answering(status: int | None, body: str) -> Iterator[int]:
    """The port of a server that answers so; of none at all where there is no status."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/health"
            assert status is not None
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body.encode())

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if status is None:
            server.server_close()
            yield server.server_port
            return
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def _pins(path: Path) -> dict[str, str]:
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in PIN.findall(path.read_text())}


@pytest.mark.parametrize("name", DOCKERFILES)
def test_hadolint_finds_nothing(root: Path, locked_tool: Callable[[str], Path], name: str) -> None:
    command = [locked_tool("hadolint"), "--no-color", "--failure-threshold", "info", root / name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", DOCKERFILES)
def test_images_are_built_in_stages_from_one_pinned_base(root: Path, name: str) -> None:
    text = (root / name).read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert len(bases) >= 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", bases[0])
    page = (root / "docs/deployment.md").read_text()
    assert re.search(rf"`{re.escape(bases[0])}`.*sha256:[0-9a-f]{{64}}", page), "its digest is not noted"


@pytest.mark.parametrize("name", DOCKERFILES)
def test_the_last_stage_is_small_and_harmless(root: Path, name: str) -> None:
    last = (root / name).read_text().rpartition("\nFROM ")[2]
    assert "\nUSER 10001:10001\n" in last
    assert "pip install" not in last
    assert "apt-get" not in last
    assert "org.opencontainers.image.title" in last


@pytest.mark.parametrize(
    ("name", "status", "body", "healthy"),
    [
        ("gateway/Dockerfile", 200, '{"status":"ok","device":"cpu"}', True),
        ("gateway/Dockerfile", 503, '{"status":"degraded","device":"cpu"}', True),
        ("gateway/Dockerfile", 503, '{"status":"unavailable","device":"cpu"}', False),
        ("gateway/Dockerfile", 500, '{"type":"/errors/internal","status":500}', False),
        ("gateway/Dockerfile", None, "", False),
        ("preprocess-service/Dockerfile", 200, '{"status":"ok"}', True),
        ("preprocess-service/Dockerfile", 503, '{"status":"ok"}', False),
        ("preprocess-service/Dockerfile", None, "", False),
    ],
)
def test_a_container_is_healthy_when_it_can_answer(
    root: Path, name: str, status: int | None, body: str, healthy: bool
) -> None:
    check = re.search(r"^HEALTHCHECK .*?CMD (\[.*?\])$", (root / name).read_text(), re.MULTILINE | re.DOTALL)
    assert check is not None
    program, option, code = json.loads(check[1])
    with _answering(status, body) as port:
        code, replaced = re.subn(r"/dev/tcp/127\.0\.0\.1/\d+", f"/dev/tcp/127.0.0.1/{port}", code)
        done = subprocess.run([program, option, code], capture_output=True, text=True, check=False, timeout=20)
    assert replaced == 1
    assert (done.returncode == 0) is healthy, done.stderr


@pytest.mark.parametrize("name", DOCKERFILES)
def test_wheels_are_installed_by_hash_and_nothing_is_built(root: Path, name: str) -> None:
    (install,) = re.findall(r"-m pip .*? install (.*?)\n\n", (root / name).read_text(), re.DOTALL)
    assert {"--require-hashes", "--no-deps", "--only-binary"} <= set(install.split())


@pytest.mark.parametrize(
    ("lock", "rooms"), [("gateway", ["gateway", "contracts"]), ("preprocess", ["preprocess-service"])]
)
def test_an_image_holds_what_its_room_declares_at_the_versions_that_are_tested(
    root: Path, lock: str, rooms: list[str]
) -> None:
    pins, tested = _pins(root / f"requirements/{lock}.txt"), _pins(root / "requirements/services.txt")
    assert {name: tested.get(name) for name in pins} == pins
    for room in rooms:
        project = tomllib.loads((root / room / "pyproject.toml").read_text())["project"]
        declared = {re.split(r"[\[=<>; ]", name)[0] for name in project["dependencies"]}
        assert {name for name in declared if not name.startswith("telltale")} <= pins.keys()


@pytest.mark.parametrize(
    ("lock", "modules"),
    [
        ("gateway", "telltale_gateway.__main__"),
        ("preprocess", "telltale_preprocess.__main__, telltale_preprocess.workers.child"),
    ],
)
def test_a_program_starts_with_what_its_image_holds_and_nothing_else(root: Path, lock: str, modules: str) -> None:
    held = sorted(_pins(root / f"requirements/{lock}.txt"))
    done = subprocess.run(
        [sys.executable, "-c", f"{WITHOUT_THE_REST}\nimport {modules}", *held],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_builder_is_sent_nothing_but_sources(root: Path) -> None:
    first, *rest = [
        line for line in (root / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")
    ]
    assert first == "*"
    allowed = [line.removeprefix("!") for line in rest if line.startswith("!")]
    copied = {
        source
        for name in DOCKERFILES
        for line in re.findall(r"^COPY (?!--from)(.*)$", (root / name).read_text(), re.MULTILINE)
        for source in line.split()[:-1]
    }
    assert copied
    assert {source for source in copied if not any(source.startswith(each.rstrip("/")) for each in allowed)} == set()
    assert [each for each in allowed if not (root / each).exists()] == []
