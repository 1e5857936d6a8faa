"""A request to a bundle: what the endpoints call."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import structlog
from pydantic import ValidationError
from telltale_contracts import Recipe

from telltale_preprocess.api.metrics import Metrics
from telltale_preprocess.api.upload import read_media
from telltale_preprocess.errors import BadRecipe, PreprocessError
from telltale_preprocess.settings import Settings
from telltale_preprocess.workers.messages import Answer, Job
from telltale_preprocess.workers.pool import WorkerPool


@dataclass
class BundleService:
    """Settings, workers and metrics of one running service; a context manager that starts and ends the workers."""

    settings: Settings
    pool: WorkerPool
    metrics: Metrics

    @classmethod
    def create(cls, settings: Settings) -> Self:
        """A service with a pool of its own, not yet started."""
        metrics = Metrics()
        pool = WorkerPool(settings, on_restart=lambda reason: metrics.restarts.labels(reason).inc())
        return cls(settings, pool, metrics)

    async def __aenter__(self) -> Self:
        await self.pool.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.pool.close()

    async def bundle(self, headers: Mapping[str, str], chunks: AsyncIterable[bytes]) -> bytes:
        """Read a form as it arrives and work on it: the bytes of a TensorBundle.

        Raises:
            PreprocessError: what is wrong, as the subclass says.
        """
        code = "cancelled"
        try:
            answer = await self._bundle(headers, chunks)
            code = "ok"
        except PreprocessError as error:
            code = error.code
            raise
        finally:
            self.metrics.requests.labels(code).inc()
        for stage, spent in answer.timings.stages_ms.items():
            self.metrics.stage_seconds.labels(stage).observe(spent / 1000.0)
        # The request's line in the log tells of them too.
        structlog.contextvars.bind_contextvars(
            stages_ms={stage: round(spent, 1) for stage, spent in answer.timings.stages_ms.items()},
            bundle_bytes=len(answer.bundle),
        )
        return answer.bundle

    async def _bundle(self, headers: Mapping[str, str], chunks: AsyncIterable[bytes]) -> Answer:
        # The file has no name: whatever happens to us, nothing of the upload stays on disk. A worker opens it
        # through our descriptor.
        with tempfile.TemporaryFile(prefix="telltale-") as file:
            recipe = _parse(await read_media(headers, chunks, file, self.settings.max_upload_bytes, field="recipe"))
            # Not from the first byte on: uploads come at the pace of whoever sends them to the gateway.
            whole = time.perf_counter()
            answer = await self.pool.run(Job(path=f"/proc/{os.getpid()}/fd/{file.fileno()}", recipe=recipe))
            self.metrics.seconds.observe(time.perf_counter() - whole)
            return answer


def _parse(text: str) -> Recipe:
    try:
        return Recipe.model_validate_json(text)
    except ValidationError as error:
        lines = [f"{'.'.join(str(part) for part in each['loc']) or 'recipe'}: {each['msg']}" for each in error.errors()]
        raise BadRecipe("; ".join(lines[:5])) from error
