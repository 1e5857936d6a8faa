"""The detectors that programs use: one that waits, and one for asyncio."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import tenacity

from telltale import _calls
from telltale._calls import Call, FusionMethod, Media
from telltale._gateway import answer_of, credentials
from telltale._local import LocalStack
from telltale._reading import read
from telltale._results import AudioDetection, ImageDetection, MultimodalDetection, VideoDetection
from telltale._verdict import Verdict

# An upload of 100 MB and an analysis of three minutes.
_TIMEOUT_S = 300.0
_CONNECT_S = 5.0
_ATTEMPTS = 5


class Detector:
    """A gateway, asked from a program.

    Every method raises GatewayProblem where the gateway says no or cannot be reached, OSError where a file cannot be
    read, and UnexpectedAnswer where what comes back is not what this client knows. What is busy (503) or asks for
    patience (429) is asked again after the seconds that it says, and what cannot be connected to after a second or so,
    then later each time. One detector may serve several threads.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        token: str | None = None,
        timeout_s: float = _TIMEOUT_S,
        attempts: int = _ATTEMPTS,
    ) -> None:
        """``api_key`` or ``token`` where the gateway asks for one; ``attempts`` counts the first, too."""
        self._client = httpx.Client(base_url=url, timeout=_timeout(timeout_s), headers=credentials(api_key, token))
        self._attempts = attempts
        self._stack: LocalStack | None = None

    @classmethod
    def local(cls, *, model_repository: str | Path | None = None, start_timeout_s: float = 180.0) -> Self:
        """Start the whole of Telltale on this machine, for as long as the detector is open.

        Raises:
            CannotStart: it is not installed here, or did not start.
        """
        stack = LocalStack.started(Path(model_repository) if model_repository else None, start_timeout_s)
        detector = cls(stack.url)
        detector._stack = stack
        return detector

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where the gateway is."""
        return str(self._client.base_url)

    def close(self) -> None:
        """Close the connections, and stop what ``local`` started."""
        self._client.close()
        if self._stack is not None:
            self._stack.stop()
            self._stack = None

    def predict(
        self,
        media: Media,
        *,
        fps: float | None = None,
        max_frames: int | None = None,
        detectors: Sequence[str] | None = None,
        explain: bool = False,
    ) -> Verdict:
        """Whether a video, an image or a sound is fake; a path, or the bytes themselves."""
        return read(Verdict, self._ask(_calls.predict(media, fps, max_frames, detectors, explain)))

    def detect_audio(self, audio: Media) -> AudioDetection:
        """Whether a sound is fake."""
        return read(AudioDetection, self._ask(Call("/detect/audio", {"file": audio})))

    def detect_image(self, image: Media) -> ImageDetection:
        """Whether an image is fake."""
        return read(ImageDetection, self._ask(Call("/detect/image", {"file": image})))

    def detect_video(self, video: Media) -> VideoDetection:
        """Whether a video is fake."""
        return read(VideoDetection, self._ask(Call("/detect/video", {"file": video})))

    def detect_multimodal(
        self,
        *,
        audio: Media | None = None,
        image: Media | None = None,
        video: Media | None = None,
        fusion_method: FusionMethod | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> MultimodalDetection:
        """What several media of one thing say together."""
        return read(MultimodalDetection, self._ask(_calls.multimodal(audio, image, video, fusion_method, weights)))

    def _ask(self, call: Call) -> Any:
        def once() -> Any:
            with call.opened() as request:
                return answer_of(self._client.post(**request))

        with _calls.unreachable(self._client.base_url):
            return tenacity.Retrying(**_calls.retrying(self._attempts))(once)


class AsyncDetector:
    """The same for asyncio: ``async with AsyncDetector(url) as detector: await detector.predict(path)``."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        *,
        api_key: str | None = None,
        token: str | None = None,
        timeout_s: float = _TIMEOUT_S,
        attempts: int = _ATTEMPTS,
    ) -> None:
        """As Detector."""
        self._client = httpx.AsyncClient(base_url=url, timeout=_timeout(timeout_s), headers=credentials(api_key, token))
        self._attempts = attempts

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def url(self) -> str:
        """Where the gateway is."""
        return str(self._client.base_url)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def predict(
        self,
        media: Media,
        *,
        fps: float | None = None,
        max_frames: int | None = None,
        detectors: Sequence[str] | None = None,
        explain: bool = False,
    ) -> Verdict:
        """Whether a video, an image or a sound is fake; a path, or the bytes themselves."""
        return read(Verdict, await self._ask(_calls.predict(media, fps, max_frames, detectors, explain)))

    async def detect_audio(self, audio: Media) -> AudioDetection:
        """Whether a sound is fake."""
        return read(AudioDetection, await self._ask(Call("/detect/audio", {"file": audio})))

    async def detect_image(self, image: Media) -> ImageDetection:
        """Whether an image is fake."""
        return read(ImageDetection, await self._ask(Call("/detect/image", {"file": image})))

    async def detect_video(self, video: Media) -> VideoDetection:
        """Whether a video is fake."""
        return read(VideoDetection, await self._ask(Call("/detect/video", {"file": video})))

    async def detect_multimodal(
        self,
        *,
        audio: Media | None = None,
        image: Media | None = None,
        video: Media | None = None,
        fusion_method: FusionMethod | None = None,
        weights: Mapping[str, float] | None = None,
    ) -> MultimodalDetection:
        """What several media of one thing say together."""
        call = _calls.multimodal(audio, image, video, fusion_method, weights)
        return read(MultimodalDetection, await self._ask(call))

    async def _ask(self, call: Call) -> Any:
        async def once() -> Any:
            with call.opened() as request:
                return answer_of(await self._client.post(**request))

        with _calls.unreachable(self._client.base_url):
            return await tenacity.AsyncRetrying(**_calls.retrying(self._attempts))(once)


def _timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=min(seconds, _CONNECT_S))
