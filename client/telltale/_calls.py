"""What is said over the wire, for the blocking and the asynchronous detector alike."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

import httpx
import tenacity

from telltale._gateway import GatewayProblem, broken

Media: TypeAlias = str | Path | bytes
FusionMethod = Literal["rival_forgeries", "weighted_average", "majority_vote"]

_LONGEST_WAIT_S = 60.0
_AGAIN = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
_Backoff = Callable[[tenacity.RetryCallState], float]


@dataclass(frozen=True)
class Call:
    """One POST: a path, media by the names of their parts, and what else is said."""

    path: str
    media: Mapping[str, Media]
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)

    @contextmanager
    def opened(self) -> Iterator[dict[str, Any]]:
        """The call as httpx takes it. Files are opened anew for each attempt, and closed after it.

        Raises:
            OSError: a file cannot be read.
        """
        with ExitStack() as stack:
            files: dict[str, tuple[str, IO[bytes] | bytes]] = {}
            for part, media in self.media.items():
                if isinstance(media, bytes):
                    files[part] = ("upload", media)
                else:
                    path = Path(media)
                    files[part] = (_sendable(path.name), stack.enter_context(path.open("rb")))
            yield {"url": self.path, "files": files, "params": dict(self.query), "data": dict(self.form)}


def _sendable(name: str) -> str:
    """A file's name as text, whatever its bytes are."""
    return os.fsencode(name).decode("utf-8", "replace")


def predict(
    media: Media, fps: float | None, max_frames: int | None, detectors: Sequence[str] | None, explain: bool
) -> Call:
    """The canonical question."""
    query = {"explain": "true"} if explain else {}
    if fps is not None:
        query["fps"] = str(fps)
    if max_frames is not None:
        query["max_frames"] = str(max_frames)
    if detectors is not None:
        query["detectors"] = ",".join(detectors)
    return Call("/predict", {"file": media}, query)


def multimodal(
    audio: Media | None,
    image: Media | None,
    video: Media | None,
    fusion_method: FusionMethod | None,
    weights: Mapping[str, float] | None,
) -> Call:
    """Several media at once.

    Raises:
        ValueError: none is given.
    """
    given = {"audio": audio, "image": image, "video": video}
    media = {part: each for part, each in given.items() if each is not None}
    if not media:
        raise ValueError("give at least one of audio, image and video")
    form: dict[str, str] = {}
    if fusion_method is not None:
        form["fusion_method"] = fusion_method
    if weights is not None:
        form["weights"] = json.dumps(dict(weights))
    return Call("/detect/multimodal", media, form=form)


def retrying(attempts: int) -> dict[str, Any]:
    """How tenacity tries again: what is busy or asks for patience, and what could not be connected to; nothing else."""
    return {
        "retry": tenacity.retry_if_exception(_may_pass),
        "wait": _patience(tenacity.wait_exponential_jitter(multiplier=0.5, max=_LONGEST_WAIT_S)),
        "stop": tenacity.stop_after_attempt(attempts),
        "reraise": True,
    }


def _may_pass(error: BaseException) -> bool:
    # A connection that was refused carried nothing, so nothing is done twice.
    return isinstance(error, httpx.ConnectError) or (isinstance(error, GatewayProblem) and error.status in _AGAIN)


def _patience(backoff: _Backoff) -> _Backoff:
    def wait(state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome is not None else None
        if isinstance(error, GatewayProblem) and error.retry_after_s is not None:
            return min(error.retry_after_s, _LONGEST_WAIT_S)
        return backoff(state)

    return wait


@contextmanager
def unreachable(url: object) -> Iterator[None]:
    """Say what a broken connection means.

    Raises:
        GatewayProblem: instead of httpx' own error.
    """
    try:
        yield
    except httpx.TimeoutException as error:
        raise GatewayProblem(
            f"{url} did not answer in time.", "Ask for fewer frames, or give it a longer timeout.", "timeout"
        ) from error
    except httpx.TransportError as error:
        raise broken(url, error) from error
