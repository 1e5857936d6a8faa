"""What preprocessing takes, as ratios to the least that it can take; a table, and JSON beside the clips.

    make bench

Everything is measured in one run, in turns, so that what else the machine does falls on all alike; medians are shown,
with the middle half of the values. Nothing else should run meanwhile: the floor is one core's, the service has all.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import av
import clips
from driving import Helper, Service, helper, service
from table import Row, Samples, milliseconds, report, say
from telltale_contracts import FaceCrop, Recipe, Sampling, Waveform

TODAY = clips.HOUSE / ".venvs/bench/bin/python"
RECIPE = Recipe(inputs=(FaceCrop(size=224), Waveform(samples=64_600)), sampling=Sampling(max_frames=32))
CLIENTS = 4
_BATCH = 16
_MB = 1e6


def main() -> None:
    """Measure everything, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="of floor, service, long file and four clients")
    parser.add_argument("--today-rounds", type=int, default=3, help="of those, rounds with OpenCV and MTCNN too")
    parser.add_argument("--requests", type=int, default=500, help="over which the service's memory may grow")
    parser.add_argument("--today", type=Path, default=TODAY, help="the Python that has OpenCV 4 and MTCNN")
    parser.add_argument("--skip-memory", action="store_true", help="leave out the two-hour file and the requests")
    options = parser.parse_args()
    say("clips")
    clips.ten_seconds(), clips.ten_minutes()
    cores = len(os.sched_getaffinity(0))
    samples = in_turns(cores, options.rounds, options.today, options.today_rounds)
    rows = speed_rows(samples, cores)
    if not options.skip_memory:
        memory = {**peaks(), **growth(cores, options.requests)}
        samples.update({name: [value] for name, value in memory.items()})
        rows += memory_rows(memory, options.requests)
    about = {"av": av.__version__, "recipe": RECIPE.model_dump(mode="json")}
    report("preprocess", rows, samples, about)


def in_turns(cores: int, rounds: int, today_python: Path, today_rounds: int) -> Samples:
    """Seconds of everything that is compared, one of each in every round."""
    short, long = clips.ten_seconds(), clips.ten_minutes()
    samples: Samples = defaultdict(list)
    with ExitStack() as stack:
        floor = stack.enter_context(helper(Path(sys.executable), "floor.py", short))
        today = stack.enter_context(helper(today_python, "today.py", short)) if today_python.exists() else None
        running = stack.enter_context(service(cores))
        for _ in range(2 * cores):
            running.post(short, recipe())
        for turn in range(rounds):
            say(f"round {turn + 1} of {rounds}")
            _round(samples, floor, running, short, long)
            for name in ("haar", "mtcnn") if today is not None and turn < today_rounds else ():
                for part, seconds in today.ask(name).items():
                    samples[f"{name}_{part}"].append(seconds)
    return dict(samples)


def _round(samples: Samples, floor: Helper, running: Service, short: Path, long: Path) -> None:
    for part, seconds in floor.ask().items():
        samples[f"floor_{part}"].append(seconds)
    before = running.cpu_seconds()
    samples["service"].append(running.post(short, recipe()))
    for name, now, then in zip(("service_cpu", "worker_cpu"), running.cpu_seconds(), before, strict=True):
        samples[name].append(now - then)
    samples["long"].append(running.post(long, recipe()))
    start = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as clients:
        list(clients.map(lambda _: running.post(short, recipe()), range(_BATCH)))
    samples["batch"].append((time.perf_counter() - start) / _BATCH)


def peaks() -> dict[str, float]:
    """Bytes of one worker's largest resident set, each in a service of its own."""
    found = {}
    for name, clip, times in (("peak_short", clips.ten_seconds(), 3), ("peak_long", clips.two_hours(), 1)):
        say(name.replace("_", ", "))
        with service(1) as running:
            found[f"{name}_idle"] = float(running.worker_peak())
            found[f"{name}_s"] = statistics.median(running.post(clip, recipe()) for _ in range(times))
            found[name] = float(running.worker_peak())
    return found


def growth(cores: int, requests: int) -> dict[str, float]:
    """Bytes resident of the whole service after a warm-up, and after so many requests more."""
    say(f"{requests} requests")
    short = clips.ten_seconds()
    found = {}
    with service(cores) as running, ThreadPoolExecutor(CLIENTS) as clients:
        for name, count in (("resident_before", 10 * cores), ("resident_after", requests)):
            list(clients.map(lambda _: running.post(short, recipe()), range(count)))
            found[name] = float(running.resident())
    return found


def speed_rows(samples: Samples, cores: int) -> list[Row]:
    """The table's lines about time."""
    floor = samples["floor_total"]
    middle = statistics.median(floor)
    parts = ", ".join(
        f"{name} {statistics.median(samples[f'floor_{name}']) * 1000:.0f}" for name in ("decode", "detect", "sound")
    )
    one, long, rate = _ratio(samples["service"], floor), _ratio(samples["long"], samples["service"]), cores / middle
    videos = [1 / seconds for seconds in samples["batch"]]
    through = statistics.median(videos) / rate
    rows = [
        Row("floor, one core", f"{milliseconds(floor)} ({parts})"),
        Row("service, 10 s clip over HTTP", milliseconds(samples["service"])),
        Row("  / floor", f"{one:.2f}", "<= 1.15", one <= 1.15),
        Row(
            "  CPU time of worker, of service",
            ", ".join(milliseconds(samples[name]) for name in ("worker_cpu", "service_cpu")),
        ),
        Row(f"{CLIENTS} clients at once, {cores} cores", f"{statistics.median(videos):.2f} videos/s"),
        Row("  / (cores / floor)", f"{through:.2f}", ">= 0.85", through >= 0.85),
        Row("10 min file", milliseconds(samples["long"])),
        Row("  / 10 s file", f"{long:.2f}", "<= 2", long <= 2.0),
    ]
    for name, called in (("haar", "Haar cascade"), ("mtcnn", "MTCNN")):
        if f"{name}_total" not in samples:
            rows.append(Row(f"OpenCV 4 + {called}", "not measured: .venvs/bench is missing (make bench makes it)"))
            continue
        total, parts = (
            samples[f"{name}_total"],
            ", ".join(
                f"{part} {statistics.median(samples[f'{name}_{part}']) * 1000:.0f}" for part in ("decode", "detect")
            ),
        )
        rows.append(Row(f"OpenCV 4 grab/retrieve + {called}", f"{milliseconds(total)} ({parts})"))
        rows.append(Row("  / floor; / service", f"{_ratio(total, floor):.1f}; {_ratio(total, samples['service']):.1f}"))
    return rows


def memory_rows(memory: dict[str, float], requests: int) -> list[Row]:
    """The table's lines about memory."""
    short, long = memory["peak_short"], memory["peak_long"]
    grown = memory["resident_after"] / memory["resident_before"] - 1
    return [
        Row("worker's peak RSS, 10 s file", f"{short / _MB:.0f} MB ({memory['peak_short_idle'] / _MB:.0f} when warm)"),
        Row("worker's peak RSS, 2 h file", f"{long / _MB:.0f} MB, in {memory['peak_long_s']:.1f} s"),
        Row("  / 10 s file", f"{long / short:.2f}", "<= 1.20", long <= 1.2 * short),
        Row("service and workers, warmed up", f"{memory['resident_before'] / _MB:.0f} MB"),
        Row(f"  growth over {requests} requests", f"{grown * 100:+.1f} %", "<= 5 %", grown <= 0.05),
    ]


def recipe() -> str:
    """The recipe, as the form carries it."""
    return RECIPE.model_dump_json()


def _ratio(above: list[float], below: list[float]) -> float:
    return statistics.median(above) / statistics.median(below)


if __name__ == "__main__":
    main()
