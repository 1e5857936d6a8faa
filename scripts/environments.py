"""Make the virtual environments under .venvs, or bring them to what the lock files say.

Three, because they cannot share one: `services` (gateway, preprocess-service, the launcher, the checks), `triton`
(what tritonserver's Python stub imports; numpy 1.26) and `models` (TensorFlow and the rest, for the stand-in and for
export). `torch` is laid into `models` for training and conversion; `bench` holds what people run today, to measure
against; `tools` holds pip, and uv for the lock files.

Only wheels are installed, only by hash; our own packages are installed editable. A stamp in each environment says
what it was made from, so that a second run has nothing to do. Needs nothing but Python 3.11 itself.
"""

import argparse
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from _steps import SetupError, call, main_or_message, only_one, step

HOUSE = Path(__file__).resolve().parent.parent
STAMP = ".made-from.json"
SYSTEM_PYTHON = Path("/usr/bin/python3.11")
STUB_LIBRARY = "libpython3.11.so.1.0"
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)


@dataclass(frozen=True)
class Layer:
    """Locked wheels, and rooms of ours, that are laid into one environment together."""

    name: str
    environment: str
    locks: tuple[str, ...]
    rooms: tuple[str, ...] = ()
    system_python: bool = False
    below: str | None = None


LAYERS = {
    layer.name: layer
    for layer in (
        Layer("tools", "tools", ("tools.txt",)),
        Layer(
            "services",
            "services",
            ("services.txt", "checks.txt"),
            ("contracts", "gateway", "preprocess-service", "local-serving", "export", "client"),
        ),
        Layer("triton", "triton", ("triton.txt",), system_python=True),
        Layer("models", "models", ("models.txt",), ("contracts", "local-serving", "export")),
        Layer("torch", "models", ("torch.txt", "torch-cpu.txt"), below="models"),
        Layer("bench", "bench", ("bench.txt",)),
    )
}


class Builder:
    """Makes environments under `house`/.venvs from `house`/requirements."""

    def __init__(self, house: Path, python: Path, system_python: Path) -> None:
        """`python` makes every environment but Triton's, which `system_python` makes."""
        self.house = house
        self.venvs = house / ".venvs"
        self._python = python
        self._system_python = system_python

    def build(self, names: Sequence[str]) -> None:
        """Bring the named layers, and those below them, to what the lock files say; two at a time."""
        wanted = {below for name in names if (below := LAYERS[name].below)} | set(names)
        stale = [layer for layer in LAYERS.values() if layer.name in wanted and not self._is_current(layer)]
        if not stale:
            return
        for layer in stale:
            if layer.system_python:
                check_stub_python(self._system_python)
        self._ensure_pip()
        with ThreadPoolExecutor(max_workers=2) as pool:
            list(pool.map(self._lay, [layer for layer in stale if layer.below is None]))
        for layer in stale:
            if layer.below is not None:
                self._lay(layer)

    def _is_current(self, layer: Layer) -> bool:
        return self._stamp(layer) == self._made_from(layer) and self._interpreter(layer).exists()

    def _made_from(self, layer: Layer) -> dict[str, str]:
        """What the layer depends on: where it lies, which Python, and the content of its lock and project files."""
        files = [self.house / "requirements" / lock for lock in layer.locks]
        files += [self.house / room / "pyproject.toml" for room in layer.rooms]
        content = hashlib.sha256("".join(_without_comments(path.read_text()) for path in files).encode()).hexdigest()
        base = self._system_python if layer.system_python else self._python
        version = "" if layer.system_python else sys.version.split()[0]
        return {"house": str(self.house), "python": f"{base} {version}".strip(), "content": content}

    def _stamp(self, layer: Layer) -> dict[str, str] | None:
        """What the layer says it was made from; None when it was never finished."""
        try:
            found: dict[str, dict[str, str]] = json.loads((self.venvs / layer.environment / STAMP).read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return found.get(layer.name)

    def _interpreter(self, layer: Layer) -> Path:
        return self.venvs / layer.environment / "bin" / "python"

    def _ensure_pip(self) -> None:
        """An environment whose only purpose is its pip: the others carry none."""
        tools = self.venvs / "tools"
        if self._pip_works():
            return
        shutil.rmtree(tools, ignore_errors=True)
        with step("pip"):
            call(
                [self._python, "-m", "venv", tools],
                failed=f"{self._python} cannot make a virtual environment.\n"
                "On Debian and Ubuntu: sudo apt-get install python3.11-venv",
            )

    def _pip_works(self) -> bool:
        python = self.venvs / "tools" / "bin" / "python"
        asked = [str(python), "-m", "pip", "--version"]
        return python.exists() and subprocess.run(asked, capture_output=True, check=False).returncode == 0

    def _pip(self, layer: Layer, *arguments: str | Path, failed: str) -> None:
        pip = self.venvs / "tools" / "bin" / "python"
        target: list[str | Path] = []
        if layer.environment != "tools":
            target = ["--python", self._interpreter(layer)]
        call([pip, "-m", "pip", *target, "--quiet", "--disable-pip-version-check", *arguments], failed=failed)

    def _lay(self, layer: Layer) -> None:
        with step(f"environment {layer.name}"):
            if layer.below is None:
                self._ensure_environment(layer)
            self._restamp(layer, None)
            self._install(layer)
            self._remove_what_is_not_locked(layer)
            self._restamp(layer, self._made_from(layer))

    def _ensure_environment(self, layer: Layer) -> None:
        """An environment to install into: a finished one is kept, what an interrupted run left is made anew."""
        place = self.venvs / layer.environment
        before, wanted = self._stamp(layer), self._made_from(layer)
        same_base = before is not None and all(before[key] == wanted[key] for key in ("house", "python"))
        if layer.environment == "tools" or (same_base and self._interpreter(layer).exists()):
            return
        shutil.rmtree(place, ignore_errors=True)
        base = self._system_python if layer.system_python else self._python
        call([base, "-m", "venv", "--without-pip", place], failed=f"{base} cannot make a virtual environment.")

    def _install(self, layer: Layer) -> None:
        locks: list[str | Path] = []
        for lock in layer.locks:
            locks += ["-r", self.house / "requirements" / lock]
        told = f"the locked wheels of '{layer.name}' could not be installed."
        if layer.name == "torch":
            told += (
                "\nIf it finds no torch+cpu: the index has only the CUDA build. Give pip a place that has the CPU wheel"
                " (PIP_FIND_LINKS for a folder, PIP_EXTRA_INDEX_URL for PyTorch's CPU index) and run this again."
            )
        how = ["install", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        if layer.environment == "tools" or layer.below is not None:
            # These are not made anew after an interruption, so a half-laid package must not count as laid.
            how.append("--force-reinstall")
        self._pip(layer, *how, *locks, failed=told)
        rooms: list[str | Path] = []
        for room in layer.rooms:
            rooms += ["-e", self.house / room]
        if rooms:
            told = f"our own packages could not be installed into '{layer.name}'."
            self._pip(layer, "install", "--no-deps", "--no-build-isolation", "--no-index", *rooms, failed=told)

    def _remove_what_is_not_locked(self, layer: Layer) -> None:
        """Uninstall what an older lock file asked for and this one does not."""
        allowed = {"pip", "setuptools", "wheel"}
        for shared in LAYERS.values():
            if shared.environment == layer.environment:
                for lock in shared.locks:
                    allowed |= {
                        _canonical(name) for name in PINNED.findall((self.house / "requirements" / lock).read_text())
                    }
        listed = call(
            [
                self._interpreter(layer),
                "-c",
                "import importlib.metadata as m\nfor d in m.distributions(): print(d.name)",
            ],
            failed=f"the environment '{layer.name}' cannot list what is in it.",
        )
        extra = [name for name in listed.split() if _canonical(name) not in allowed and not name.startswith("telltale")]
        if extra:
            self._pip(layer, "uninstall", "--yes", *extra, failed=f"cannot uninstall {', '.join(extra)}")

    def _restamp(self, layer: Layer, made_from: dict[str, str] | None) -> None:
        """Say what the layer was made from; None while it is being laid, so that an interruption is seen."""
        path = self.venvs / layer.environment / STAMP
        stamps = json.loads(path.read_text()) if path.exists() else {}
        stamps.pop(layer.name, None)
        if made_from is not None:
            stamps[layer.name] = made_from
        fresh = path.with_suffix(".new")
        fresh.write_text(json.dumps(stamps, indent=1))
        fresh.replace(path)


def check_stub_python(python: Path) -> None:
    """See that `python` is one that tritonserver's Python stub can embed.

    Raises:
        SetupError: it is not there, or its shared library is not.
    """
    needed = (
        f"tritonserver's Python stub embeds {STUB_LIBRARY} of the system's Python.\n"
        "On Debian 12: sudo apt-get install python3.11 libpython3.11"
    )
    if not python.exists():
        raise SetupError(f"{python} is missing: {needed}")
    call([python, "-c", f"import ctypes; ctypes.CDLL({STUB_LIBRARY!r})"], failed=f"{STUB_LIBRARY} is missing: {needed}")
    call(
        [python, "-c", "import venv"],
        failed=f"{python} has no venv module.\nOn Debian 12: sudo apt-get install python3.11-venv",
    )


def _without_comments(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.lstrip().startswith("#"))


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Build what was asked for, holding the lock."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("layers", nargs="*", help=f"of: {', '.join(LAYERS)} (default: services triton models)")
    options = parser.parse_args()
    unknown = sorted(set(options.layers) - set(LAYERS))
    if unknown:
        parser.error(f"no such layer: {', '.join(unknown)}; there are: {', '.join(LAYERS)}")
    if sys.version_info[:2] != (3, 11):
        raise SetupError(
            f"Python 3.11 is needed; this is {sys.version.split()[0]}. Use: make PYTHON=/path/to/python3.11"
        )
    base = Path(sys.base_prefix) / "bin" / "python3.11"
    builder = Builder(HOUSE, base if base.exists() else Path(sys.executable), SYSTEM_PYTHON)
    with only_one(HOUSE / ".venvs" / ".lock"):
        builder.build(options.layers or ["services", "triton", "models"])


if __name__ == "__main__":
    main_or_message(main)
