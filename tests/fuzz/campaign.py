"""Hostile files against the service as it really runs, over HTTP: what came back, and whether anything is left."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from telltale_contracts import FaceCrop, Image, LogMel, Problem, Recipe, Sampling, TensorBundle, Waveform

from tests import clips
from tests.fuzz.mutants import Mutant, make_mutant
from tests.preprocess.service import Service, running_service

RECIPE = Recipe(
    inputs=(FaceCrop(size=64), Image(size=64), Waveform(samples=8_000), LogMel(samples=8_000)),
    sampling=Sampling(max_frames=4),
)
# So many seconds a mutant may use in a worker. How long we wait ourselves is not judged: that is the machine's load.
LIMIT_S = 10.0
_PATIENCE_S = 300.0
_BETWEEN_CHECKS = 50


@dataclass(frozen=True)
class Answer:
    """What one mutant got; ``code`` is "ok" or the problem's, ``fault`` says what should not have come back."""

    mutant: Mutant
    status: int
    code: str
    seconds: float
    fault: str | None


@dataclass
class Campaign:
    """Answers in order of their mutants; ``faults`` are those of the service as a whole."""

    answers: list[Answer] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    restarts: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    @property
    def broken(self) -> list[str]:
        """Everything that should not have happened, in words; empty when all is well."""
        wrong = [answer for answer in self.answers if answer.fault]
        return [f"{each.mutant}: {each.fault}" for each in wrong] + self.faults


def run_campaign(seeds: Mapping[str, bytes], *, seed: int, count: int, clients: int = 2) -> Campaign:
    """Send ``count`` mutants of these seeds to a service of its own and look at everything that must hold."""
    campaign = Campaign()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        environment = {
            "TELLTALE_PREPROCESS_WORKERS": str(clients),
            "TELLTALE_PREPROCESS_MAX_WALL_S": str(LIMIT_S),
            "TMPDIR": scratch,
        }
        with running_service(**environment) as service:
            service.wait_healthy(clients)
            before = good_tensors(service)
            for start in range(0, count, _BETWEEN_CHECKS):
                numbers = range(start, min(count, start + _BETWEEN_CHECKS))
                campaign.answers += _volley(service, seeds, seed, numbers, clients)
                if good_tensors(service) != before:
                    campaign.faults.append(f"after mutant {numbers[-1]} good files gave other tensors than before")
            service.wait_healthy(clients)
            campaign.restarts = _restarts(service)
            campaign.faults += [f"still open: {file}" for file in _open_files(service, scratch)]
            family = psutil.Process(service.process.pid).children(recursive=True)
            campaign.faults += _strangers(family, service)
        _, orphans = psutil.wait_procs(family, timeout=10.0)
        campaign.faults += [f"process {orphan.pid} outlived the service" for orphan in orphans]
        campaign.faults += [f"left on disk: {path.name}" for path in Path(scratch).iterdir()]
    campaign.seconds = time.monotonic() - started
    return campaign


def good_tensors(service: Service) -> list[dict[str, bytes]]:
    """The tensors of a picture and of a sound that are whole, in bytes."""
    voice = clips.tone(0.5)
    media = [clips.PORTRAIT.read_bytes(), _wav(voice)]
    bundles: list[TensorBundle] = [service.bundle(each, RECIPE) for each in media]
    return [{key: tensor.tobytes() for key, tensor in bundle.tensors.items()} for bundle in bundles]


def _wav(sound: clips.Sound) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return clips.write_wav(Path(folder) / "a.wav", sound).read_bytes()


def _volley(service: Service, seeds: Mapping[str, bytes], seed: int, numbers: range, clients: int) -> list[Answer]:
    """Some mutants from several clients at once; each has a connection of its own."""
    local = threading.local()

    def send(number: int) -> Answer:
        if not hasattr(local, "client"):
            local.client = httpx.Client(base_url=service.client.base_url, timeout=_PATIENCE_S)
        return _judge(Service(service.process, local.client), make_mutant(seed, number, seeds))

    with ThreadPoolExecutor(clients) as threads:
        return list(threads.map(send, numbers))


def _judge(service: Service, mutant: Mutant) -> Answer:
    started = time.monotonic()
    try:
        response = service.post(mutant.body, RECIPE)
    except httpx.HTTPError as error:
        return Answer(mutant, 0, "none", time.monotonic() - started, f"no answer: {error!r}")
    seconds = time.monotonic() - started
    if response.status_code == 200:
        TensorBundle.from_bytes(response.content)
        return Answer(mutant, 200, "ok", seconds, None)
    return Answer(mutant, response.status_code, *_problem(response, seconds))


def _problem(response: httpx.Response, seconds: float) -> tuple[str, float, str | None]:
    if response.headers.get("content-type") != Problem.MEDIA_TYPE:
        return "none", seconds, f"{response.status_code} without a problem: {response.text[:200]}"
    problem = Problem.model_validate(json.loads(response.content))
    # 504 is an answer only where the limit has really struck.
    allowed = 400 <= problem.status < 500 or (problem.status == 504 and seconds >= LIMIT_S)
    return problem.code, seconds, None if allowed else f"{problem.status} {problem.code}: {problem.detail}"


def _restarts(service: Service) -> Counter[str]:
    name = "telltale_preprocess_worker_restarts_total{reason="
    lines = [line for line in service.client.get("/metrics").text.splitlines() if line.startswith(name)]
    return Counter({line.split('"')[1]: int(float(line.rpartition(" ")[2])) for line in lines})


def _open_files(service: Service, folder: str) -> Iterator[str]:
    """Files of a folder that the service or a worker holds, those without a name too."""
    for process in [psutil.Process(service.process.pid), *service.workers()]:
        for link in Path(f"/proc/{process.pid}/fd").iterdir():
            if (target := str(link.readlink())).startswith(folder):
                yield f"{target} (process {process.pid})"


def _strangers(family: list[psutil.Process], service: Service) -> list[str]:
    known = {worker.pid for worker in service.workers()}
    return [f"process {each.pid} is no worker: {each.cmdline()}" for each in family if each.pid not in known]
