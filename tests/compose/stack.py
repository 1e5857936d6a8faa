"""The stack of compose.yaml on an engine, from a copy of what is under version control, and clients to it."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.compose.engine import LAB_BASE, ROOT, Engine

STANDINS = Path(__file__).with_name("standins")
OVERRIDE = "tests/compose/compose.standins.yaml"
PROJECT = "telltale-proof"
HTTP, HTTPS, OPERATORS = 18080, 18443, 19443
# The services that answer people; a one-shot among them would make `up --wait` fail.
SERVICES = ("nginx", "gateway", "preprocess-balancer", "preprocess-service", "triton", "tfserving")
WATCHING = ("prometheus", "nginx-exporter")
BUILT = ("gateway", "preprocess-service")
MOST_OTHERS = 10


@dataclass(frozen=True)
class ComposeStack:
    """A project of that compose.yaml."""

    engine: Engine
    house: Path

    @property
    def files(self) -> list[str]:
        """The files that make it, as arguments for docker compose."""
        override = ["-f", OVERRIDE] if self.engine.lab else []
        return ["--project-name", PROJECT, "-f", "compose.yaml", *override, "--profile", "monitoring"]

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run docker compose in it."""
        return self.engine.docker("compose", *self.files, *arguments, cwd=self.house, check=check)

    def up(self) -> None:
        """Start everything and wait until it is healthy; where it is not, what it said is printed."""
        try:
            self.compose("up", "--detach", "--wait", "--wait-timeout", "300", *SERVICES, *WATCHING)
        except pytest.fail.Exception:
            print(self.compose("logs", "--tail", "40", check=False), flush=True)
            raise

    def containers(self, service: str) -> list[dict[str, Any]]:
        """What docker knows of each container of a service."""
        ids = self.compose("ps", "--quiet", "--all", service).split()
        found: list[dict[str, Any]] = json.loads(self.engine.docker("inspect", *ids)) if ids else []
        return found

    def key(self, name: str) -> str:
        """The text of a key that `prepare` made."""
        return (self.house / "secrets" / name).read_text()

    @contextmanager
    def another_at_the_address_of(self, container: dict[str, Any]) -> Iterator[None]:
        """While the context lasts, somebody else has the address that a stopped container had."""
        ((network, settings),) = container["NetworkSettings"]["Networks"].items()
        run = ("run", "--detach", "--rm", "--network", network, "--entrypoint", "sleep", container["Config"]["Image"])
        others: list[str] = []
        try:
            while settings["IPAddress"] not in self.addresses(*others):
                assert len(others) < MOST_OTHERS, f"nobody was given {settings['IPAddress']}"
                others.append(self.engine.docker(*run, "600").strip())
            yield
        finally:
            self.engine.docker("rm", "--force", *others)

    def addresses(self, *containers: str) -> set[str]:
        """Of these containers, in all of their networks."""
        found = json.loads(self.engine.docker("inspect", *containers)) if containers else []
        return {network["IPAddress"] for each in found for network in each["NetworkSettings"]["Networks"].values()}

    def client(self, port: int = HTTPS, key: str | None = None) -> httpx.Client:
        """A client that trusts the certificate that `make certs` made and no other, with a key or without one."""
        trust = ssl.create_default_context(cafile=str(self.house / "nginx/certs/fullchain.pem"))
        headers = {} if key is None else {"X-API-Key": key}
        return httpx.Client(base_url=f"https://localhost:{port}", verify=trust, timeout=120, headers=headers)

    def healthy(self) -> bool:
        """Whether every container is healthy, and every detector answers at the public door."""
        states = [container["State"] for service in SERVICES for container in self.containers(service)]
        if not all(state["Running"] and state["Health"]["Status"] == "healthy" for state in states):
            return False
        try:
            with self.client() as client:
                return client.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def wait_until_healthy(self, seconds: float = 180.0) -> float:
        """Wait until it is; the seconds that took."""
        return wait_until(self.healthy, seconds, lambda: f"not healthy: {self.compose('ps', '--all')}")

    def deploy(self, *arguments: str) -> str:
        """Run scripts/deploy.py on it."""
        command = [sys.executable, "scripts/deploy.py", *arguments]
        environment = {**os.environ, **self.engine.environment}
        done = subprocess.run(command, cwd=self.house, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


class Traffic:
    """Clients that post one file again and again, below the rate that nginx allows, and what they were answered."""

    RATE = 6.0

    def __init__(self, stack: ComposeStack, media: Path) -> None:
        self.answers: list[httpx.Response] = []
        self.broken: list[httpx.TransportError] = []
        self._stack = stack
        self._media = media.read_bytes()
        self._name = media.name
        self._stopped = threading.Event()

    @contextmanager
    def flowing(self, clients: int = 2) -> Iterator[None]:
        """Post from several threads while the context lasts."""
        threads = [threading.Thread(target=self._post, args=(clients / self.RATE,)) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            for thread in threads:
                thread.join(timeout=180)

    def _post(self, interval: float) -> None:
        with self._stack.client(key=self._stack.key("telltale_api_key")) as client:
            while not self._stopped.wait(interval):
                files = {"file": (self._name, self._media)}
                try:
                    self.answers.append(client.post("/predict", files=files, params={"max_frames": "4"}))
                except httpx.TransportError as error:
                    self.broken.append(error)

    def wait_for(self, more: int, seconds: float = 120.0) -> None:
        """Until so many more were answered."""
        wanted = len(self.answers) + more
        wait_until(lambda: len(self.answers) >= wanted, seconds, lambda: f"{self.statuses()} {self.broken}")

    def wait_until_whole(self, answers: int = 12, seconds: float = 120.0) -> None:
        """Until so many in a row rest on every detector: a container is healthy before each gateway has found it."""
        first = len(self.answers)

        def whole() -> bool:
            last = self.answers[first:][-answers:]
            return len(last) == answers and all(a.status_code == 200 and not a.json()["degraded"] for a in last)

        wait_until(whole, seconds, lambda: f"{self.statuses()}, {self.degraded()} degraded, {self.broken}")

    def statuses(self) -> Counter[int]:
        """How often each status was answered."""
        return Counter(answer.status_code for answer in self.answers)

    def lost(self) -> list[str]:
        """What was said to those who got no verdict, and what nginx's log has of them."""
        log = self._stack.engine.logs(self._stack.containers("nginx")[0]["Id"])
        found = [repr(error) for error in self.broken]
        for answer in self.answers:
            if answer.status_code != 200:
                found += [answer.text, *(line for line in log if answer.headers.get("x-request-id", "-") in line)]
        if found:
            # What nginx itself complained of names no id.
            found += [line for line in log if "[error]" in line][-10:]
            print("\n" + "\n".join(found), flush=True)
        return found

    def degraded(self) -> int:
        """How many verdicts rest on fewer detectors than they should."""
        return sum(answer.status_code == 200 and answer.json()["degraded"] for answer in self.answers)


def wait_until(condition: Callable[[], bool], seconds: float, otherwise: Callable[[], str]) -> float:
    """Poll a condition; the seconds that it took to hold."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > seconds:
            pytest.fail(f"after {seconds:g} s: {otherwise()}")
        time.sleep(0.2)
    return time.monotonic() - started


@contextmanager
def prepared_stack(engine: Engine, house: Path) -> Iterator[ComposeStack]:
    """A copy of the repository with images built, ready for `up`; everything is removed afterwards."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (house / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, house / name)
    stack = ComposeStack(engine, house)
    stack.deploy("prepare")
    with (house / ".env").open("a") as environment:
        environment.write("".join(f"{name}={value}\n" for name, value in _settings(engine).items()))
    _let_the_gateways_write(house)
    if engine.lab:
        _build_standins(engine)
    try:
        stack.compose("build", *BUILT)
        yield stack
    finally:
        stack.compose("down", "--volumes", "--timeout", "5", check=False)


def _settings(engine: Engine) -> dict[str, str]:
    settings = {
        "TELLTALE_EDGE_HTTP_PORT": str(HTTP),
        "TELLTALE_EDGE_HTTPS_PORT": str(HTTPS),
        "TELLTALE_EDGE_OPERATORS_PORT": str(OPERATORS),
        "TELLTALE_PREPROCESS_WORKERS": "1",
    }
    if engine.lab:
        packages = "lib/python3.11/site-packages"
        settings |= {
            "TELLTALE_NGINX_IMAGE": "standin/nginx:1",
            "TELLTALE_TRITON_IMAGE": "standin/triton:1",
            "TELLTALE_TFSERVING_IMAGE": "standin/tfserving:1",
            "TELLTALE_PROMETHEUS_IMAGE": "standin/prometheus:1",
            "TELLTALE_NGINX_EXPORTER_IMAGE": "standin/nginx-exporter:1",
            "STANDIN_TRITON_PACKAGES": str((ROOT / ".venvs/triton" / packages).resolve()),
            "STANDIN_TENSORFLOW_PACKAGES": str((ROOT / ".venvs/models" / packages).resolve()),
        }
    return settings


def _let_the_gateways_write(house: Path) -> None:
    if os.geteuid() != 0:
        return
    owner = (house / "secrets").stat()
    for path in [house / "model-repository", *(house / "model-repository").rglob("*")]:
        os.chown(path, owner.st_uid, owner.st_gid)
    # pytest keeps its folders to itself; the containers must be able to reach this one.
    for folder in [house, *house.parents]:
        if folder.stat().st_uid == os.geteuid() and "pytest" in str(folder):
            folder.chmod(0o755)


def _build_standins(engine: Engine) -> None:
    contexts = {
        "triton": {
            "assets": (ROOT / ".cache/assets/pytriton").resolve(),
            "backend": ROOT / "local-serving/telltale_local/triton_backend",
        },
        "tfserving": {"contracts": ROOT / "contracts", "standin": ROOT / "local-serving"},
    }
    for base in _bases():
        engine.docker("tag", LAB_BASE, base)
    for name in ("nginx", "prometheus", "nginx-exporter", "triton", "tfserving"):
        named = [f"--build-context={each}={path}" for each, path in contexts.get(name, {}).items()]
        engine.docker("buildx", "build", "--load", "--tag", f"standin/{name}:1", *named, STANDINS / name)


def _bases() -> set[str]:
    lines = [line for service in BUILT for line in (ROOT / service / "Dockerfile").read_text().splitlines()]
    return {line.split()[1] for line in lines if line.startswith("FROM ")}
