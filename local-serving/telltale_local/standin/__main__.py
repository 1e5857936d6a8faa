"""``python -m telltale_local.standin``: stand in for tensorflow_model_server, with flags of the same names."""

from __future__ import annotations

import argparse
import logging
import signal
import threading
from pathlib import Path

from telltale_local.standin._config import read_config
from telltale_local.standin._grpc import grpc_server
from telltale_local.standin._registry import Registry
from telltale_local.standin._rest import rest_server

logger = logging.getLogger(__name__)

GRACE_S = 3.0


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    options = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())

    registry = Registry()
    if options.model_config_file is not None:
        registry.configure(read_config(options.model_config_file.read_text(encoding="utf-8")))
    grpc = grpc_server(registry, f"{options.host}:{options.port}", options.grpc_max_threads)
    rest = rest_server(registry, options.host, options.rest_api_port)
    grpc.start()
    threading.Thread(target=rest.serve_forever, name="rest", daemon=True).start()
    logger.info("TensorFlow Serving stand-in: gRPC on %d, REST on %d", options.port, options.rest_api_port)

    while not stopped.wait(options.file_system_poll_wait_seconds):
        registry.poll()
    rest.shutdown()
    grpc.stop(GRACE_S).wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m telltale_local.standin", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8500, help="gRPC")
    parser.add_argument("--rest_api_port", type=int, default=8501)
    parser.add_argument("--model_config_file", type=Path, help="ModelServerConfig in protobuf's text format")
    parser.add_argument("--file_system_poll_wait_seconds", type=float, default=1.0)
    parser.add_argument("--grpc_max_threads", type=int, default=16)
    return parser


if __name__ == "__main__":
    main()
