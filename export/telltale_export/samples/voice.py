"""A synthetic voice by espeak-ng, called through its C interface (speak_lib.h)."""

from __future__ import annotations

import ctypes
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
    library = ctypes.CDLL(str(libraries[0]))
    pcm = bytearray()

    def collect(samples: Any, count: int, _events: Any) -> int:
        if samples:
            pcm.extend(ctypes.string_at(samples, count * 2))
        return 0

    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)(collect)
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, str(espeak).encode(), 0)
    library.espeak_SetSynthCallback(callback)
    text = sentence.encode() + b"\0"
    if (
        rate <= 0
        or library.espeak_SetVoiceByName(b"en") != 0
        or library.espeak_Synth(text, ctypes.c_size_t(len(text)), 0, 0, 0, _UTF8, None, None) != 0
        or not pcm
    ):
        raise DataError(f"espeak-ng in {espeak} did not speak.", "Fetch it again with scripts/assets.py.")
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(bytes(pcm))
