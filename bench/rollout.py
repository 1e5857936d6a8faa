"""Swap versions, kill servers and restart a gateway while clients ask, and count what became of every request.

    .venvs/services/bin/python bench/rollout.py

Eight clients post a small picture to /predict through a proxy over two gateways; as many ask the detectors straight,
as a third gateway would. No two versions give the picture the same score, and every score is compared with what the
version that it names gives. Swaps and rest take turns, so that what they take is of the same minutes. First with one
Triton and one TensorFlow Serving (or its stand-in), then with two of each.
Everything runs on loopback, on toy detectors, over a repository of its own, and is gone afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

import cv2
import httpx
import psutil
import yaml
from proxying import Proxy
from swapping import DETECTORS, GREY, Load, Pair, Truth, pace, table
from telltale_contracts import DetectorManifest, Recipe, Sampling
from telltale_gateway.analysis.media import MediaSource
from telltale_gateway.analysis.preprocess import PreprocessClient
from telltale_gateway.services import RolloutParts, rollout_parts, server_backends
from telltale_gateway.settings import Settings
from telltale_gateway.spooling import Spool
from telltale_gateway.telemetry import Telemetry
from telltale_local import Layout, Part, Plan, Stack

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / ".venvs/models/bin/python"
CLIENTS = 8
# After a swap, until what was drained has lingered and been unloaded, which is a part of the swap.
UNLOADED_S = 5.0
# After a server was killed, at least: with another one of its kind nobody says when it is back.
KILLED_S = 25.0
# After which what was under way has been answered.
SETTLED_S = 5.0


class Gateways:
    """Two gateways as programs, and what to ask them."""

    def __init__(self, environment: dict[str, str], ports: Sequence[int]) -> None:
        self._environment = {**os.environ, **environment}
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.ports = list(ports)
        self.retries = 0

    async def start(self, port: int) -> None:
        """Start one and wait until it is healthy."""
        command = [sys.executable, "-m", "telltale_gateway", "--port", str(port)]
        started = asyncio.to_thread(subprocess.Popen, command, env=self._environment, stderr=subprocess.DEVNULL)
        self._processes[port] = await started
        await self.healthy(port)

    async def healthy(self, port: int) -> None:
        """Wait until one says that every detector can answer.

        Raises:
            RuntimeError: it does not say so for two minutes.
        """
        async with httpx.AsyncClient() as client:
            for _ in range(1200):
                try:
                    if (await client.get(f"http://127.0.0.1:{port}/health")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)
        raise RuntimeError(f"the gateway on port {port} is not healthy after two minutes")

    async def stop(self, port: int) -> None:
        """Count what it retried, and stop it in order."""
        async with httpx.AsyncClient() as client:
            metrics = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
        self.retries += on_replicas(metrics)
        self._processes[port].terminate()
        await asyncio.to_thread(self._processes.pop(port).wait)

    async def restart(self, port: int, proxy: Proxy) -> None:
        """As a deployment does it: out of the proxy's rotation, stopped, started, and in again."""
        proxy.rotation.remove(port)
        await self.stop(port)
        await self.start(port)
        proxy.rotation.append(port)


class Operator:
    """Puts versions in and gives orders, and writes down what is true."""

    def __init__(self, repository: Path, versions: Path, url: str, truth: Truth) -> None:
        self._repository = repository
        self._versions = versions
        self._client = httpx.AsyncClient(base_url=url, timeout=180)
        self.truth = truth
        self._live = dict.fromkeys(DETECTORS.values(), 1)
        self._before = dict.fromkeys(DETECTORS.values(), 1)
        self._highest = dict.fromkeys(DETECTORS.values(), 1)
        for detector in DETECTORS.values():
            truth.begins(detector, 1)
            truth.knows(detector, 1, repository / detector / "1")

    async def promote(self, detector: str) -> None:
        """A new version that scores as no other does, dropped in and promoted."""
        version = self._drop_in(detector, f"scaled-{self._highest[detector]}")
        self.truth.knows(detector, version, self._repository / detector / str(version))
        await self._switch(detector, version, {"action": "promote", "version": version})

    async def roll_back(self, detector: str) -> None:
        """Back to the version before."""
        await self._switch(detector, self._before[detector], {"action": "rollback"})

    async def refuse(self, detector: str, kind: str) -> str:
        """A bad version, dropped in; why it was refused."""
        version = self._drop_in(detector, kind)
        for _ in range(600):
            model = (await self._client.get(f"/models/{detector}")).json()
            found = next((v for v in model["versions"] if v["version"] == version), None)
            if found is not None and found["stage"] == "refused":
                return f"{detector} {version} ({kind}): {found['reason']}"
            await asyncio.sleep(0.1)
        raise RuntimeError(f"{detector} {version} ({kind}) was not refused")

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def _switch(self, detector: str, version: int, order: dict[str, object]) -> None:
        old = self._live[detector]
        self.truth.begins(detector, version)
        response = await self._client.post(
            f"/models/{detector}/rollout", json={**order, "wait": True, "who": "bench", "why": "to measure it"}
        )
        if response.status_code != 200:
            raise RuntimeError(f"{order}: {response.text}")
        self.truth.ends(detector, old)
        self._live[detector], self._before[detector] = version, old

    def _drop_in(self, detector: str, kind: str) -> int:
        self._highest[detector] += 1
        version, home = self._highest[detector], self._repository / detector
        coming = home / ".coming"
        shutil.copytree(self._versions / detector / kind, coming)
        card = yaml.safe_load((coming / "card.yaml").read_text())
        (coming / "card.yaml").write_text(yaml.safe_dump({**card, "version": version}))
        coming.rename(home / str(version))
        return version


@asynccontextmanager
async def follower(environment: dict[str, str], gateways: Gateways) -> AsyncIterator[RolloutParts]:
    """A third gateway without its HTTP, for the clients that ask the detectors straight."""
    telemetry = Telemetry()
    settings = Settings(**{key.removeprefix("TELLTALE_").lower(): value for key, value in environment.items()})
    backends = {backend.server: backend for backend in server_backends(settings, telemetry)}
    parts = rollout_parts(settings, backends)
    tasks = [asyncio.create_task(parts.reconciler.run()), asyncio.create_task(parts.mirror.run())]
    try:
        while not parts.reconciler.fleet.ready:  # noqa: ASYNC110 it has no event for that
            await asyncio.sleep(0.1)
        yield parts
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        gateways.retries += sum(telemetry.totals("telltale_replica_retries", "server").values())
        for backend in backends.values():
            await backend.close()


async def measure(folder: Path, *, replicas: int, rounds: int, rest_s: float) -> bool:
    """One whole run; prints what it found, and returns whether no answer was wrong."""
    repository = shutil.copytree(folder / "toys", folder / f"repository-{replicas}")
    layout = Layout.of_this_checkout(repository)
    servers: frozenset[Part] = frozenset({"triton", "tfserving"})
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(Stack(layout, Plan(parts=servers | {"preprocess"})))
        others = [Stack(layout, Plan(parts=servers)) for _ in range(replicas - 1)]
        all_servers = [first, *[await stack.enter_async_context(other) for other in others]]
        environment = {k: v for k, v in first.environment.items() if k in _NEEDED}
        for key in ("TELLTALE_TRITON_URL", "TELLTALE_TRITON_GRPC_TARGET", "TELLTALE_TFSERVING_TARGET"):
            environment[key] = ",".join(each.environment[key] for each in all_servers)
        gateways = Gateways(environment, free_ports(2))
        for port in gateways.ports:
            await gateways.start(port)
            stack.push_async_callback(gateways.stop, port)
        proxy = Proxy(gateways.ports)
        url = await proxy.start()
        stack.push_async_callback(proxy.stop)
        parts = await stack.enter_async_context(follower(environment, gateways))
        picture = small_picture()
        shares = await brightness(environment["TELLTALE_PREPROCESS_URL"], repository, picture)
        load, truth = Load(), Truth(shares)
        operator = Operator(repository, folder / "versions", f"http://127.0.0.1:{gateways.ports[0]}", truth)
        stack.push_async_callback(operator.close)
        clients = [asyncio.create_task(load.through_the_gateway(url, picture, 0.25)) for _ in range(CLIENTS)]
        for index in range(CLIENTS):
            detector = list(DETECTORS.values())[index % 2]
            clients.append(asyncio.create_task(load.straight(parts, detector, 0.1)))
        try:
            await scenario(load, operator, gateways, proxy, all_servers, rounds=rounds, rest_s=rest_s)
        finally:
            load.stop()
            await asyncio.gather(*clients)
            print("\n".join(table(load.answers, truth)), flush=True)
    print(f"calls made again on the other replica: {gateways.retries}", flush=True)
    return all(truth.objection(answer) is None for answer in load.answers if answer.version is not None)


async def scenario(
    load: Load,
    operator: Operator,
    gateways: Gateways,
    proxy: Proxy,
    servers: Sequence[Stack],
    *,
    rounds: int,
    rest_s: float,
) -> None:
    """Swaps and rest by turns, bad versions, kills, and a gateway's restart, one after the other."""
    print(f"\n{len(servers)} of each server, 2 gateways, {CLIENTS} clients on /predict and {CLIENTS} straight")
    await asyncio.sleep(SETTLED_S)
    pairs = []
    for detector in DETECTORS.values():
        pairs += [await swaps_and_rest(operator, detector, rest_s) for _ in range(rounds)]
        print(f"{detector}: {2 * rounds} promotions, {rounds} rollbacks: {load.newly_lost()} lost", flush=True)
    for way in ("/predict", "straight"):
        print(pace(load.answers, pairs, way))
    print("refused:", await operator.refuse("toy-face", "nan"))
    print("refused:", await operator.refuse("toy-synthesis", "signature"))
    print(f"while these were refused: {load.newly_lost()} lost", flush=True)
    for part in ("triton", "tfserving"):
        psutil.Process(servers[0].pid(part)).kill()
        await asyncio.sleep(KILLED_S)
        for port in gateways.ports:
            await gateways.healthy(port)
        await asyncio.sleep(SETTLED_S)
        print(f"kill -9 of {part}: {load.newly_lost()} lost", flush=True)
    await gateways.restart(gateways.ports[1], proxy)
    await asyncio.sleep(SETTLED_S)
    print(f"a gateway was restarted: {load.newly_lost()} lost", flush=True)


async def swaps_and_rest(operator: Operator, detector: str, rest_s: float) -> Pair:
    """Two promotions and a rollback, with all that follows from them; then nothing."""
    began = time.monotonic()
    await operator.promote(detector)
    await operator.promote(detector)
    await operator.roll_back(detector)
    await asyncio.sleep(UNLOADED_S)
    ended = time.monotonic()
    await asyncio.sleep(rest_s)
    return Pair((began, ended), (ended, time.monotonic()))


_NEEDED = {"TELLTALE_PREPROCESS_URL", "TELLTALE_TRITON_URL", "TELLTALE_TFSERVING_TARGET", "TELLTALE_MODEL_REPOSITORY"}


async def brightness(preprocess_url: str, repository: Path, picture: bytes) -> dict[tuple[str, str], float]:
    """Mean brightness, in [0, 1], of what each detector is asked in each way, by the way and the detector.

    Raises:
        RuntimeError: a detector gets more or less of the picture than one crop.
    """
    homes = {name: repository / name / "detector.yaml" for name in DETECTORS.values()}
    inputs = {name: DetectorManifest.from_yaml(path).input for name, path in homes.items()}
    client = PreprocessClient(preprocess_url, timeout_s=60)
    try:
        with Spool() as upload:
            upload.write(picture)
            source = MediaSource(upload, "face.png")
            bundle = await client.bundle(source, Recipe.union(inputs.values(), Sampling()), "bench")
    finally:
        await client.close()
    shares = {("straight", name): GREY / 255 for name in inputs}
    for name, wanted in inputs.items():
        crops = bundle.tensors[wanted.key()]
        if len(crops) != 1:
            raise RuntimeError(f"{name} gets {len(crops)} crops of the picture, not one")
        shares["/predict", name] = float(crops.mean()) / 255
    return shares


def on_replicas(metrics: str) -> int:
    """How many calls a gateway made again on another replica, by its metrics."""
    lines = (line for line in metrics.splitlines() if line.startswith("telltale_replica_retries_total"))
    return sum(int(float(line.rpartition(" ")[2])) for line in lines)


def small_picture() -> bytes:
    """The portrait, 192 pixels wide, as PNG."""
    portrait = cv2.imread(str(ROOT / ".cache/assets/astronaut.png"))
    return bytes(cv2.imencode(".png", cv2.resize(portrait[:384, 32:416], (192, 192)))[1])


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def main() -> int:
    """Without a second replica, then with one; 1 when any answer was wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="of two promotions and a rollback, on each server")
    parser.add_argument("--rest", type=float, default=8.0, help="seconds at rest after each round")
    parser.add_argument("--replicas", type=int, nargs="+", default=[1, 2], help="how many of each server, run by run")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="telltale-rollout-"))
    try:
        subprocess.run([MODELS, ROOT / "tests/toys.py", folder / "toys"], check=True, stderr=subprocess.DEVNULL)
        command = [MODELS, ROOT / "tests/versions.py", folder / "toys", folder / "versions"]
        command += ["--scaled", str(2 * options.rounds)]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        right = [
            asyncio.run(measure(folder, replicas=replicas, rounds=options.rounds, rest_s=options.rest))
            for replicas in options.replicas
        ]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0 if all(right) else 1


if __name__ == "__main__":
    sys.exit(main())
