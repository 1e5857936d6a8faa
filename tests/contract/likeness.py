"""Whether an answer is the golden one: the same fields, words and numbers, but for what no two runs have alike."""

from __future__ import annotations

import re
from typing import Any

# What differs from run to run, by its key, wherever it stands: times, random names, digests of media that this
# machine's encoder made, and the machine itself. Of these only the type is held.
VOLATILE = frozenset(
    {
        "id",
        "sha256",
        "artifact_sha256",
        "timestamp",
        "latency_ms",
        "timings_ms",
        "processing_time",
        "processing_breakdown",
        "spectrogram_url",
        "spectrogram_data",
        "visualization_filename",
        "platform",
        "python",
        "cpus",
        "load_average",
        "peak_memory_mb",
        "requests",
        "requests_by_status",
        "verdicts",
        "verdicts_by_label",
        "verdicts_by_modality",
    }
)
# Pixels and scores differ a little between builds of the decoders.
_TOLERANCE = 0.02
_PIXELS = 2.0
# Of these the size is not that of a score: they are held by a share of themselves, or this much.
_SMALL = frozenset({"variance", "score_variance", "slope"})
_SHARE, _LEAST = 0.1, 1e-6
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?")


def normalised(answer: Any, key: str = "") -> Any:
    """The answer with the type in the place of everything volatile, and numbers of four digits after the point; small
    figures of four that count."""
    if key in VOLATILE and answer is not None:
        return f"<{type(answer).__name__}>"
    if isinstance(answer, dict):
        return {name: normalised(value, name) for name, value in answer.items()}
    if isinstance(answer, list):
        return [normalised(value) for value in answer]
    if not isinstance(answer, float):
        return answer
    return float(f"{answer:.4g}") if key in _SMALL else round(answer, 4)


def differences(answer: Any, golden: Any, where: str = "$") -> list[str]:
    """Each place at which a normalised answer is not like the golden one."""
    if isinstance(golden, dict) and isinstance(answer, dict):
        found = [f"{where}: {name} is not documented" for name in answer.keys() - golden.keys()]
        found += [f"{where}: {name} is missing" for name in golden.keys() - answer.keys()]
        for name in golden.keys() & answer.keys():
            found += differences(answer[name], golden[name], f"{where}.{name}")
        return found
    if isinstance(golden, list) and isinstance(answer, list):
        if len(golden) != len(answer):
            return [f"{where}: {len(answer)} instead of {len(golden)} entries"]
        pairs = enumerate(zip(answer, golden, strict=True))
        return [each for place, (a, g) in pairs for each in differences(a, g, f"{where}[{place}]")]
    if where.rpartition(".")[2] in _SMALL and isinstance(golden, float) and isinstance(answer, float):
        alike = abs(answer - golden) <= max(_LEAST, _SHARE * abs(golden))
    else:
        alike = _alike(answer, golden)
    return [] if alike else [f"{where}: {answer!r} instead of {golden!r}"]


def _alike(answer: Any, golden: Any) -> bool:
    if isinstance(golden, str) and isinstance(answer, str):
        said, known = _NUMBER.findall(answer), _NUMBER.findall(golden)
        same = _NUMBER.sub("#", golden) == _NUMBER.sub("#", answer)
        return same and all(_near(float(a), float(g)) for a, g in zip(said, known, strict=True))
    if isinstance(golden, bool) or isinstance(answer, bool) or golden is None or answer is None:
        return golden is answer
    if isinstance(golden, float) and isinstance(answer, float | int):
        return _near(answer, golden)
    return bool(golden == answer)


def _near(value: float, golden: float) -> bool:
    # From ten on it is pixels, hertz and seconds.
    return abs(value - golden) <= (max(_PIXELS, 0.02 * abs(golden)) if abs(golden) >= 10 else _TOLERANCE)
