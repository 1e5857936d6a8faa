"""A request to a drawing that streams: what the endpoint calls."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterable, Mapping
from contextlib import AsyncExitStack, aclosing

from pydantic import TypeAdapter, ValidationError
from telltale_contracts import MAX_DRAWING_BYTES, Drawing

from telltale_preprocess.api.upload import BundleForm
from telltale_preprocess.drawing.render import media_type
from telltale_preprocess.errors import (
    BadDrawing,
    Busy,
    DecodeTimeout,
    MediaCrashedDecoder,
    PreprocessError,
    WorkersLost,
)
from telltale_preprocess.settings import Settings
from telltale_preprocess.workers.messages import RenderJob
from telltale_preprocess.workers.process import WorkerDied
from telltale_preprocess.workers.rendering import RenderProcess

_KILLED = -9


class Rendering:
    """A drawing that has begun: its type, its first bytes, and the rest as it comes. Whoever got it closes it."""

    def __init__(self, kind: str, first: bytes, rest: AsyncGenerator[bytes, None], held: AsyncExitStack) -> None:
        self.media_type = kind
        self._first = first
        self._rest = rest
        self._held = held

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """All bytes, the first ones included."""
        yield self._first
        async for chunk in self._rest:
            yield chunk

    async def close(self) -> None:
        """End the process, whether it is done or not, and forget the upload."""
        await self._rest.aclose()
        await self._held.aclose()


class RenderService:
    """Starts a process for each drawing, ``settings.renders`` at once; others wait a little."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._free = asyncio.Semaphore(settings.renders)

    async def render(self, headers: Mapping[str, str], chunks: AsyncIterable[bytes]) -> Rendering:
        """Read a form as it arrives and begin to draw; returns with the first bytes.

        Raises:
            PreprocessError: what is wrong, as the subclass says.
        """
        async with AsyncExitStack() as stack:
            await self._enter(stack)
            # Without a name, as every upload.
            file = stack.enter_context(tempfile.TemporaryFile(prefix="telltale-"))  # noqa: SIM115 the stack closes it
            form = BundleForm(
                headers.get("content-type", ""),
                file,
                self._settings.max_upload_bytes,
                field="drawing",
                max_field_bytes=MAX_DRAWING_BYTES,
            )
            length = headers.get("content-length", "")
            drawing = _parse(await form.read(chunks, int(length) if length.isdecimal() else None))
            process = await RenderProcess.start(self._settings)
            stack.push_async_callback(process.stop)
            job = RenderJob(path=f"/proc/{os.getpid()}/fd/{file.fileno()}", drawing=drawing)
            drawn = _drawn(process, job, self._settings.max_render_wall_s)
            first = await anext(drawn, b"")
            return Rendering(media_type(drawing), first, drawn, stack.pop_all())
        raise AssertionError("nothing above is suppressed")

    async def _enter(self, stack: AsyncExitStack) -> None:
        try:
            async with asyncio.timeout(self._settings.max_render_wait_s):
                await self._free.acquire()
        except TimeoutError as error:
            raise Busy(f"{self._settings.renders} drawings are being made, as many as are allowed.") from error
        stack.callback(self._free.release)


async def _drawn(process: RenderProcess, job: RenderJob, wall_s: float) -> AsyncGenerator[bytes, None]:
    late = False

    def too_late() -> None:
        nonlocal late
        late = True
        process.kill()

    deadline = asyncio.get_running_loop().call_later(wall_s, too_late)
    try:
        async with aclosing(process.draw(job)) as pieces:
            async for piece in pieces:
                yield piece
    except WorkerDied as error:
        raise _death(late, wall_s, await process.fate()) from error
    finally:
        deadline.cancel()


def _death(late: bool, wall_s: float, fate: int | None) -> PreprocessError:
    if late:
        return DecodeTimeout(f"The drawing was not done after {wall_s:.0f} s, the most that one may take.")
    if fate == _KILLED:
        return WorkersLost("The process that drew it was killed.")
    return MediaCrashedDecoder("The process that drew it died of it.")


def _parse(text: bytes) -> Drawing:
    try:
        drawing: Drawing = TypeAdapter[Drawing](Drawing).validate_json(text)
    except ValidationError as error:
        lines = [
            f"{'.'.join(str(part) for part in each['loc']) or 'drawing'}: {each['msg']}" for each in error.errors()
        ]
        raise BadDrawing("; ".join(lines[:5])) from error
    return drawing
