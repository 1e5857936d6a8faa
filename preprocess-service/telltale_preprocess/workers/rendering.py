"""The service's end of a process that draws."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import ClassVar

from pydantic import ValidationError

from telltale_preprocess.errors import ErrorMessage
from telltale_preprocess.workers.messages import HEADER, LONGEST_PIECE, Kind, RenderJob
from telltale_preprocess.workers.process import JobUndelivered, WorkerDied, WorkerProcess


class RenderProcess(WorkerProcess):
    """One process for one drawing; whoever started it stops it."""

    MODULE: ClassVar[str] = "telltale_preprocess.workers.render_child"

    async def draw(self, job: RenderJob) -> AsyncGenerator[bytes, None]:
        """The drawing, piece by piece; while nobody asks for the next piece, the process waits.

        Raises:
            PreprocessError: the process's own refusal.
            WorkerDied: it ended in the middle of it.
        """
        try:
            body = job.model_dump_json().encode()
            self._writer.write(HEADER.pack(Kind.JOB, len(body)) + body)
            await self._writer.drain()
        except (ConnectionError, OSError) as error:
            raise JobUndelivered(str(error)) from error
        self._longest = LONGEST_PIECE
        while True:
            kind, piece = await self._read(Kind.CHUNK, Kind.DONE, Kind.ERROR)
            if kind is Kind.CHUNK:
                yield piece
            elif kind is Kind.DONE:
                return
            else:
                raise self._refusal(piece)

    def kill(self) -> None:
        """End the process now; ``stop`` waits for that."""
        if self.alive:
            self._process.kill()

    def _refusal(self, body: bytes) -> Exception:
        try:
            return ErrorMessage.model_validate_json(body).to_error()
        except ValidationError:
            return WorkerDied(f"worker {self.pid} answered with something that is no answer")
