"""The command line answers at once and in sentences."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from telltale_export.__main__ import main


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'tensorflow', 'keras', 'onnx', 'onnxruntime', 'av', 'cv2', 'sklearn', 'scipy'}"
    program = (
        "import sys; from telltale_export.cli import build_parser; build_parser().format_help();"
        f"print(sorted({heavy} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train", "voice-vocoder", "--media", "."], "--to"),
        (["train", "voice-vocoder", "--media", ".", "--to", ".", "--rounds", "0"], "0 is not positive"),
        (["train", "nothing"], "invalid choice"),
        ([], "VERB"),
    ],
)
def test_a_mistyped_command_is_explained(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert said in capsys.readouterr().err


def test_an_empty_repository_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "holds no detector" in error
    assert "Traceback" not in error
