"""``telltale``: is it fake, and which version of a detector says so. It speaks HTTP to a gateway."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Sequence
from typing import Never

from telltale._access import access_of, add_url_option, url_after_the_command
from telltale._gateway import Gateway, GatewayProblem
from telltale._predicting import FAILED, INTERRUPTED, MISUSED, add_predict_command
from telltale._printing import diff_lines, event_line, model_lines, printable


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one thing and print what came of it; the exit status is the command's, and never a verdict's by accident."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted.\n")
        return INTERRUPTED
    except Exception as error:  # Python would exit with 1, which is an answer of ``predict``
        sys.stderr.write(f"{type(error).__name__}: {printable(str(error))}\n")
        return FAILED
    return status


def _run_models_command(options: argparse.Namespace) -> int:
    """0 when it was done, 1 when the gateway said no, 64 when the environment contradicts itself."""
    try:
        access = access_of(options)
    except ValueError as error:
        print(error, file=sys.stderr)
        return MISUSED
    try:
        with Gateway(access.url, access.api_key, token=access.token) as gateway:
            for line in options.action(gateway, options):
                print(printable(line), flush=True)
    except GatewayProblem as problem:
        print(f"{printable(problem.detail)}\n{printable(problem.hint)}", file=sys.stderr)
        return 1
    return 0


def _order(gateway: Gateway, options: argparse.Namespace) -> list[str]:
    order = {"action": options.command, "who": _who(), "why": options.why, "wait": options.wait}
    for name in ("version", "percent", "path"):
        if getattr(options, name, None) is not None:
            order[name] = getattr(options, name)
    receipt = gateway.order(options.detector, **order)
    lines = [receipt["done"], receipt["next"]]
    return [*lines, *model_lines(gateway.model(options.detector))] if options.wait else lines


def _status(gateway: Gateway, options: argparse.Namespace) -> list[str]:
    models = [gateway.model(options.detector)] if options.detector else gateway.models()
    return [line for model in models for line in model_lines(model)]


def _history(gateway: Gateway, options: argparse.Namespace) -> list[str]:
    return [event_line(event) for event in gateway.history(options.detector)]


def _diff(gateway: Gateway, options: argparse.Namespace) -> list[str]:
    return list(diff_lines(gateway.diff(options.detector, options.left, options.right)))


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"user {os.getuid()}"


class _Parser(argparse.ArgumentParser):
    """argparse would exit with 2, which is an answer of ``predict``."""

    def error(self, message: str) -> Never:
        """Say what is wrong."""
        self.print_usage(sys.stderr)
        self.exit(MISUSED, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _Parser(
        prog="telltale",
        description=__doc__,
        epilog="TELLTALE_API_KEY holds the key that a gateway asks for, or TELLTALE_TOKEN a JWT.",
    )
    add_url_option(parser)
    url = url_after_the_command()
    rooms = parser.add_subparsers(required=True)
    add_predict_command(rooms, url)
    models = rooms.add_parser("models", aliases=["rollout"], parents=[url], help="which version of a detector answers")
    models.set_defaults(run=_run_models_command)
    commands = models.add_subparsers(dest="command", required=True)
    _add_orders(commands, url)
    status = commands.add_parser("status", parents=[url], help="where every version stands")
    status.add_argument("detector", nargs="?")
    status.set_defaults(action=_status)
    history = commands.add_parser("history", parents=[url], help="who did what, when and why")
    history.add_argument("detector")
    history.set_defaults(action=_history)
    diff = commands.add_parser("diff", parents=[url], help="how the scores of two versions differ")
    diff.add_argument("detector")
    diff.add_argument("left", type=int, metavar="V1")
    diff.add_argument("right", type=int, metavar="V2")
    diff.set_defaults(action=_diff)
    return parser


def _add_orders(commands: argparse._SubParsersAction[argparse.ArgumentParser], url: argparse.ArgumentParser) -> None:
    order = argparse.ArgumentParser(add_help=False, parents=[url])
    order.add_argument("detector")
    order.set_defaults(action=_order)
    said = argparse.ArgumentParser(add_help=False)
    said.add_argument("--why", default="", help="for the history")
    said.add_argument("--wait", action="store_true", help="until it is done")
    version = argparse.ArgumentParser(add_help=False)
    version.add_argument("version", type=int, metavar="V")
    share = argparse.ArgumentParser(add_help=False)
    share.add_argument("--percent", type=float, required=True, help="of the requests; 0 ends it")

    path = argparse.ArgumentParser(add_help=False)
    path.add_argument("path", help="a version's folder, below the gateway's staging root")
    commands.add_parser("stage", parents=[order, path, said], help="take a version into the repository")
    commands.add_parser("shadow", parents=[order, version, share, said], help="compare its answers, use none")
    commands.add_parser("canary", parents=[order, version, share, said], help="let it answer a share of the requests")
    commands.add_parser("promote", parents=[order, version, said], help="let it answer all of them")
    commands.add_parser("rollback", parents=[order, said], help="go back: take the canary out, or the last promotion")
    commands.add_parser("pin", parents=[order, version, said], help="let it answer, and no other by itself")
    commands.add_parser("drain", parents=[order, version, said], help="give it no traffic, and unload it")


if __name__ == "__main__":
    sys.exit(main())
