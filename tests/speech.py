"""A synthetic voice for tests: espeak-ng, in a process of its own, as it keeps its state in globals."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

ROOT = Path(__file__).resolve().parents[1]
ESPEAK = ROOT / ".cache/assets/espeak"
RATE = 16_000

_SYNCHRONOUS = 2
_UTF8 = 1


def say(sentence: str) -> NDArray[np.float32]:
    """The sentence as mono float32 at 16 kHz, in [-1, 1]."""
    spoken = subprocess.run(
        [sys.executable, __file__, sentence], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30
    ).stdout
    rate, pcm = int.from_bytes(spoken[:4], "little"), np.frombuffer(spoken[4:], np.int16)
    return resample_poly(pcm / 32768, RATE, rate).astype(np.float32)


def _speak(sentence: str) -> bytes:
    library = ctypes.CDLL(str(next(ESPEAK.glob("libespeak-ng.so*"))))
    pcm = bytearray()

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def collect(samples: ctypes._Pointer[ctypes.c_short], count: int, _: int) -> int:
        if samples:
            pcm.extend(ctypes.string_at(samples, count * 2))
        return 0

    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, str(ESPEAK).encode(), 0)
    library.espeak_SetSynthCallback(collect)
    library.espeak_SetVoiceByName(b"en")
    text = sentence.encode() + b"\0"
    if library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 0, 0, _UTF8, None, None) != 0:
        raise RuntimeError("espeak-ng did not speak")
    return rate.to_bytes(4, "little") + bytes(pcm)


if __name__ == "__main__":
    sys.stdout.buffer.write(_speak(sys.argv[1]))
