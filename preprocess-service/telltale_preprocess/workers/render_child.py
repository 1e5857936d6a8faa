"""A process for one drawing: ``python -m telltale_preprocess.workers.render_child SOCKET PARENT``.

It inherits one end of a socket pair, takes one job, sends bytes as they come, and ends. It knows no face models, so it
starts within a second; what it writes waits in the socket until somebody reads it, and there it stops meanwhile.
"""

from __future__ import annotations

import logging
import socket
import sys
from pathlib import Path

import cv2
from PIL import Image

from telltale_preprocess.drawing.render import render
from telltale_preprocess.errors import ErrorMessage, MediaTooDemanding, PreprocessError, ProcessingFailed
from telltale_preprocess.settings import Settings
from telltale_preprocess.workers.limits import die_with_parent, limit_cpu, limit_memory
from telltale_preprocess.workers.messages import LONGEST_PIECE, Kind, RenderJob, receive, send

_log = logging.getLogger("telltale.preprocess.render")


def main() -> None:
    """Do one drawing."""
    descriptor, parent = (int(argument) for argument in sys.argv[1:3])
    die_with_parent(parent)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = Settings()
    # Sizes are judged from the header by our own limit; Pillow's would come first and say less.
    Image.MAX_IMAGE_PIXELS = None
    cv2.setNumThreads(1)
    with socket.socket(fileno=descriptor) as connection:
        limit_memory(settings.max_memory_bytes)
        limit_cpu(settings.max_render_cpu_s)
        send(connection, Kind.READY)
        message = receive(connection)
        if message is not None:
            _answer(connection, settings, RenderJob.model_validate_json(message[1]))


def _answer(connection: socket.socket, settings: Settings, job: RenderJob) -> None:
    try:
        with Path(job.path).open("rb") as file:
            render(file, job.drawing, settings, lambda body: _send_pieces(connection, body))
        send(connection, Kind.DONE)
    except PreprocessError as error:
        _send_error(connection, error)
    except MemoryError:
        _send_error(connection, MediaTooDemanding("Drawing it ran out of the memory that one request may use."))
    except BrokenPipeError:
        _log.info("nobody wants the drawing any more")
    except Exception as error:
        _log.exception("a drawing failed by a fault of ours")
        _send_error(connection, ProcessingFailed(f"{type(error).__name__} while drawing."))


def _send_pieces(connection: socket.socket, body: bytes) -> None:
    for start in range(0, len(body), LONGEST_PIECE):
        send(connection, Kind.CHUNK, body[start : start + LONGEST_PIECE])


def _send_error(connection: socket.socket, error: PreprocessError) -> None:
    send(connection, Kind.ERROR, ErrorMessage.of(error).model_dump_json().encode())


if __name__ == "__main__":
    main()
