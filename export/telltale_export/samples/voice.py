"""A synthetic voice by espeak-ng, called through its C interface (speak_lib.h)."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import wave
from pathlib import Path
from typing import Any

from telltale_export.errors import DataError

SENTENCE = (
    "This voice was never spoken by anyone. It was put together by a machine, from rules about how English sounds, "
    "so that you can hear what a synthetic voice is."
)
_SYNCHRONOUS, _UTF8 = 2, 1


def write_voice(espeak: Path, path: Path, sentence: str = SENTENCE) -> None:
    """Speak a sentence into a WAV file, 16 bits, mono, at the rate that espeak-ng works at.

    Args:
        espeak: the folder with libespeak-ng and espeak-ng-data.
        path: the file to write.
        sentence: English.

    Raises:
        DataError: the synthesiser is not there, or would not speak.
    """
    libraries = sorted(espeak.glob("libespeak-ng.so*"))
    if not libraries:
        raise DataError(f"{espeak} holds no libespeak-ng.", "Run scripts/assets.py, which fetches it.")
    # A process of its own: espeak-ng keeps its state in globals, and does not survive being started twice.
    command = [sys.executable, "-m", __name__, str(libraries[0]), str(path), sentence]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise DataError(f"espeak-ng in {espeak} did not speak: {done.stderr[-500:]}", "Fetch it again, and try again.")


def _speak(library_file: Path, path: Path, sentence: str) -> None:
    library = ctypes.CDLL(str(library_file))
    pcm = bytearray()

    def collect(samples: Any, count: int, _events: Any) -> int:
        if samples:
            pcm.extend(ctypes.string_at(samples, count * 2))
        return 0

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)(collect)
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, str(library_file.parent).encode(), 0)
    library.espeak_SetSynthCallback(callback)
    text = sentence.encode() + b"\0"
    if (
        rate <= 0
        or library.espeak_SetVoiceByName(b"en") != 0
        or library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 0, 0, _UTF8, None, None) != 0
        or not pcm
    ):
        raise RuntimeError("espeak-ng gave no sound")
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(bytes(pcm))


if __name__ == "__main__":
    _speak(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
