"""The trace goes on to Triton, which is asked from tasks of their own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest
from opentelemetry import trace
from telltale_contracts import TensorNames
from telltale_gateway.serving import BackendError, ModelCall, Triton
from telltale_gateway.serving.batching import infer_in_batches

TRACE, SPAN = 0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7


async def asked_in_a_trace() -> list[str]:
    """The traceparents of what a server is asked that answers nothing of use."""
    found: list[str] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        found.extend(line.partition(": ")[2] for line in head.decode().split("\r\n") if line.startswith("traceparent"))
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        triton = Triton(f"http://127.0.0.1:{port}", repository=Path("nowhere"), load_timeout_s=1, slots=2)
        context = trace.SpanContext(TRACE, SPAN, is_remote=False, trace_flags=trace.TraceFlags(1))
        call = ModelCall("toy", 1, TensorNames(input="x", probability="p"), 5.0)
        with trace.use_span(trace.NonRecordingSpan(context)), pytest.raises(BackendError):
            await infer_in_batches(triton, call, np.zeros((1, 2), np.float32), 1)
        await triton.close()
    return found


def test_triton_is_told_which_trace_it_works_for() -> None:
    assert set(asyncio.run(asked_in_a_trace())) == {f"00-{TRACE:032x}-{SPAN:016x}-01"}
