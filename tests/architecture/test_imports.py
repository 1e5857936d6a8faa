"""Who may import whom: by the text of the imports, and by what a running interpreter really loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

NEVER_IN_THE_GATEWAY = ("cv2", "av", "torch", "tensorflow", "keras", "onnx", "onnxruntime", "mediapipe")
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")


def _lint_imports(config: Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--config", config, "--no-cache"], cwd=cwd, capture_output=True, text=True, check=False
    )


def _loaded_by(statement: str, names: tuple[str, ...]) -> list[str]:
    """Which of `names` are loaded in a fresh interpreter after `statement`."""
    code = f"{statement}\nimport sys\nprint(*[name for name in {names!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_the_walls_hold(root: Path) -> None:
    done = _lint_imports(root / "pyproject.toml", root)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout


def test_a_broken_wall_would_be_seen(root: Path, tmp_path: Path) -> None:
    config = tmp_path / "importlinter.ini"
    config.write_text(
        "[importlinter]\nroot_packages =\n    telltale_contracts\n    telltale_gateway\n"
        "[importlinter:contract:1]\nname = what everybody breaks\ntype = forbidden\n"
        "source_modules = telltale_gateway\nforbidden_modules = telltale_contracts\n"
    )
    done = _lint_imports(config, root)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "what everybody breaks BROKEN" in done.stdout


def test_the_running_gateway_has_loaded_no_decoder_and_no_framework() -> None:
    assert _loaded_by("import telltale_gateway.app", NEVER_IN_THE_GATEWAY) == []


def test_the_proof_sees_a_decoder_that_is_loaded() -> None:
    assert _loaded_by("import av", NEVER_IN_THE_GATEWAY) == ["av"]


@pytest.mark.parametrize("core", ["media", "faces", "features"])
def test_the_core_of_preprocessing_loads_no_web_framework(core: str) -> None:
    assert _loaded_by(f"import telltale_preprocess.{core}", ("fastapi", "starlette", "uvicorn")) == []


@pytest.mark.parametrize("package", ["telltale_contracts", "telltale_tfserving"])
def test_contracts_load_nothing_else_of_ours(package: str) -> None:
    others = ("telltale_gateway", "telltale_preprocess", "telltale_local", "telltale_export", *NEVER_IN_THE_GATEWAY)
    assert _loaded_by(f"import {package}", others) == []


def test_a_process_that_only_logs_loads_no_web_framework() -> None:
    assert _loaded_by("import telltale_asgi.logs", ("fastapi", "starlette", "uvicorn")) == []


def test_the_words_of_tensorflow_serving_load_no_tensorflow() -> None:
    assert _loaded_by("import telltale_tfserving", ("tensorflow", "keras")) == []
