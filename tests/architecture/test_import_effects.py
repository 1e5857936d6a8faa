"""Importing our packages reads code and nothing else: no file written, no connection, no process, no thread.

Proved by an audit hook (PEP 578) in a fresh interpreter. What a third-party library does while it is imported is its
own affair; only acts whose nearest caller outside the standard library is ours are counted.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WATCH = """
import os, pkgutil, importlib, sys, threading
ROOT, PACKAGE, EXTRA = sys.argv[1:4]
ACTS = ("socket.connect", "socket.bind", "subprocess.Popen", "os.system", "os.fork", "os.posix_spawn", "os.mkdir",
        "os.remove", "os.rename", "os.putenv", "shutil.rmtree", "tempfile.mkdtemp")
STDLIB = os.path.dirname(os.__file__)
acts = []

def nearest(frame):
    while frame is not None:
        name = frame.f_code.co_filename
        if "site-packages" in name or not name.startswith((STDLIB, "<")):
            return name
        frame = frame.f_back
    return ""

def note(what, frame):
    who = nearest(frame)
    if who.startswith(ROOT) and "site-packages" not in who:
        acts.append(f"{who}: {what}")

def start(thread, really=threading.Thread.start):
    note("thread", sys._getframe(1))
    really(thread)

def watch(event, details):
    writes = event == "open" and details[2] is not None and details[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    if event in ACTS or writes:
        note(f"{event} {details}", sys._getframe(1))

threading.Thread.start = start  # CPython 3.11 raises no audit event for it
sys.addaudithook(watch)
if EXTRA:
    sys.path.insert(0, EXTRA)
package = importlib.import_module(PACKAGE)
for module in pkgutil.walk_packages(package.__path__, PACKAGE + "."):
    if module.name.rpartition(".")[2] != "__main__":
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name.partition(".")[0] not in ("tensorflow", "triton_python_backend_utils", "onnxruntime"):
                raise
print("\\n".join(acts))
"""


def _acts(package: str, root: Path, extra: Path | None = None) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-B", "-c", WATCH, root, package, extra or ""],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1] if done.stdout.strip() else []


@pytest.mark.parametrize(
    "package",
    [
        "telltale_contracts",
        "telltale_tfserving",
        "telltale_gateway",
        "telltale_preprocess",
        "telltale_local",
        "telltale",
    ],
)
def test_importing_does_nothing(package: str, root: Path) -> None:
    assert _acts(package, root) == []


def test_an_act_would_be_seen(tmp_path: Path) -> None:
    package = tmp_path / "busy"
    package.mkdir()
    (package / "__init__.py").write_text("import pathlib\npathlib.Path(__file__).with_name('x').touch()\n")
    (package / "worker.py").write_text("import threading\nthreading.Thread(target=int).start()\n")
    assert [act.split(": ")[1].split()[0] for act in _acts("busy", tmp_path, tmp_path)] == [
        "open",
        "thread",
    ]
