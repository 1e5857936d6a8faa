"""``python -m telltale_local``: run the whole stack on one machine."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

from telltale_local._demo import demonstrate
from telltale_local._layout import CannotStart, Layout, Unsupervised
from telltale_local._ports import LOOPBACK
from telltale_local._run import run_command
from telltale_local._stack import PARTS, Part, Plan, Stack


def main() -> None:
    """Parse the command line, do it, and exit with its status."""
    options = _parser().parse_args()
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(message)s"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)
    layout = Layout.of_this_checkout(options.model_repository)
    try:
        sys.exit(asyncio.run(_until_signalled(options.action(layout, options))))
    except CannotStart as error:
        sys.exit(f"Telltale cannot start: {error}")
    except Unsupervised as error:
        sys.exit(f"Telltale has stopped: {error}")


async def _serve(layout: Layout, options: argparse.Namespace) -> int:
    async with Stack(layout, Plan(host=options.host, port=options.port, verbose=options.verbose)) as stack:
        print(f"Telltale is ready on {stack.url} (Ctrl-C stops it)", flush=True)
        # Being stopped is how serving ends well.
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
    return 0


async def _demo(layout: Layout, options: argparse.Namespace) -> int:
    async with Stack(layout, Plan(verbose=options.verbose)) as stack:
        return await demonstrate(stack.url, layout.samples)


async def _run(layout: Layout, options: argparse.Namespace) -> int:
    plan = Plan(parts=options.only, verbose=options.verbose)
    async with Stack(layout, plan) as stack:
        return await run_command(options.command, stack.environment, stack.announce)


async def _until_signalled(work: Coroutine[Any, Any, int]) -> int:
    """Do the work; SIGINT and SIGTERM cancel it, so that every context is left in order."""
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        # Only the first one: a second would break off the stopping itself.
        if not received:
            task.cancel()
        received.append(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    try:
        return await task
    except asyncio.CancelledError:
        return 128 + received[0]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m telltale_local", description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--model-repository", type=Path, help="another folder of detectors")
    common.add_argument("--verbose", action="store_true", help="the servers' own output on stderr")
    actions = parser.add_subparsers(required=True)

    serve = actions.add_parser("serve", parents=[common], help="serve in the foreground until Ctrl-C")
    serve.add_argument("--host", default=LOOPBACK)
    serve.add_argument("--port", type=int, default=8000)
    serve.set_defaults(action=_serve)

    demo = actions.add_parser("demo", parents=[common], help="analyse the samples once and stop")
    demo.set_defaults(action=_demo)

    run = actions.add_parser("run", parents=[common], help="run a command against servers on free ports")
    run.add_argument("--only", type=_parts, default=frozenset(PARTS), help=f"comma-separated: {','.join(PARTS)}")
    run.add_argument("command", nargs="+", metavar="-- COMMAND")
    run.set_defaults(action=_run)
    return parser


def _parts(text: str) -> frozenset[Part]:
    named = frozenset(part for part in PARTS if part in text.split(","))
    unknown = set(text.split(",")) - named
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return named


if __name__ == "__main__":
    main()
