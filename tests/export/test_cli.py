"""The command line answers at once and in sentences."""

from __future__ import annotations

import errno
import os
import signal
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
        (["evaluate", "--data", ".", "--threshold", "nan"], "nan is not from 0 to 1"),
        ([], "VERB"),
    ],
)
def test_a_mistyped_command_is_explained(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EACCES])
def test_what_the_disk_refuses_is_explained(
    error: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error), str(tmp_path / "labels.csv"))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    (tmp_path / "labels.csv").touch()
    assert main(["data", "--data", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'labels.csv'}: {os.strerror(error)}." in said
    assert "there is room" in said


def test_a_package_that_only_training_needs_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    assert main(["train", "voice-vocoder", "--media", str(tmp_path), "--to", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "torch is not installed in this environment.\n  Run it from `.venvs/models`; `make torch` adds" in said


def test_an_empty_repository_is_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "holds no detector" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_is_half_written_goes_with_a_signal(number: signal.Signals, tmp_path: Path) -> None:
    """A version is staged beside its place; the process is ended before the rename."""
    program = (
        "import time\n"
        "from pathlib import Path\n"
        "from telltale_export import __main__\n"
        "from telltale_export.packaging import versions\n"
        "def publish(_):\n"
        f"    with versions._staging(Path({str(tmp_path)!r}), 'mine') as stage:\n"
        "        (stage / 'model.onnx').write_bytes(b'half')\n"
        "        print('staged', flush=True)\n"
        "        time.sleep(60)\n"
        "__main__.run = publish\n"
        "raise SystemExit(__main__.main([]))\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"staged\n"
        assert list(tmp_path.iterdir())
        process.send_signal(number)
        _, error = process.communicate()
    assert process.returncode == 128 + number
    assert error == b""
    assert list(tmp_path.iterdir()) == []
