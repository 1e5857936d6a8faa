"""A worker process: ``python -m telltale_preprocess.workers.child SOCKET PARENT``, started by the pool only.

It inherits one end of a socket pair, reads its settings from the environment, warms up, and answers jobs until the
other end is gone. It exits after a job that ran out of memory: what such a failure leaves behind is unknown.
"""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
from PIL import Image
from telltale_asgi.logs import write_logs_as_json

from telltale_preprocess.errors import ErrorMessage, MediaTooDemanding, PreprocessError, ProcessingFailed
from telltale_preprocess.pipeline import Preprocessor
from telltale_preprocess.settings import Settings
from telltale_preprocess.workers.limits import die_with_parent, limit_cpu, limit_memory
from telltale_preprocess.workers.messages import Job, Kind, Timings, receive, send

_log = logging.getLogger("telltale.preprocess.worker")
_STDERR = 2


def main() -> None:
    """Serve one pool until it is gone."""
    descriptor, parent = (int(argument) for argument in sys.argv[1:3])
    die_with_parent(parent)
    write_logs_as_json()
    settings = Settings()
    # Sizes are judged from the header by our own limit; Pillow's would come first and say less.
    Image.MAX_IMAGE_PIXELS = None
    # There is a worker for each core.
    cv2.setNumThreads(1)
    with socket.socket(fileno=descriptor) as connection:
        with _quiet_stderr():
            preprocessor = Preprocessor(settings)
            preprocessor.warm()
        # What lives as long as the process is looked through once, so that after each job only its own leftovers are:
        # a decoded picture in a cycle keeps the pool that all pictures of its video came from.
        gc.collect()
        gc.freeze()
        limit_memory(settings.max_memory_bytes)
        send(connection, Kind.READY)
        while (message := receive(connection)) is not None:
            limit_cpu(settings.max_cpu_s)
            if not _answer(connection, preprocessor, Job.model_validate_json(message[1])):
                break
            gc.collect()
        preprocessor.close()


def _answer(connection: socket.socket, preprocessor: Preprocessor, job: Job) -> bool:
    """Do one job; False when the process should not do another."""
    healthy = True
    try:
        with Path(job.path).open("rb") as file:
            bundle = preprocessor.preprocess(file, job.recipe)
            body = bundle.to_bytes()
        timings = Timings(stages_ms={str(stage): ms for stage, ms in bundle.metadata.timings_ms.items()})
        send(connection, Kind.TIMINGS, timings.model_dump_json().encode())
        send(connection, Kind.BUNDLE, body)
    except PreprocessError as error:
        _send_error(connection, Kind.ERROR, error)
    except MemoryError:
        healthy = False
        reason = MediaTooDemanding("Decoding it ran out of the memory that one request may use.")
        _send_error(connection, Kind.FAREWELL, reason)
    except Exception as error:
        _log.exception("a request failed by a fault of ours")
        _send_error(connection, Kind.ERROR, ProcessingFailed(f"{type(error).__name__} while working on it."))
    return healthy


def _send_error(connection: socket.socket, kind: Kind, error: PreprocessError) -> None:
    send(connection, kind, ErrorMessage.of(error).model_dump_json().encode())


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Drop what native libraries print while models load (a hundred lines each); Python errors still come through."""
    sys.stderr.flush()
    kept = os.dup(_STDERR)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STDERR)
    try:
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(nowhere)


if __name__ == "__main__":
    main()
