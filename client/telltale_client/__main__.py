"""``telltale``: what an operator types. It speaks HTTP to a gateway and knows nothing else."""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from collections.abc import Sequence

from telltale_client._gateway import Gateway, GatewayProblem
from telltale_client._printing import diff_lines, event_line, model_lines, printable

_URL = "http://127.0.0.1:8000"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do one thing and print what came of it; 0 when it was done, 1 when the gateway said no."""
    options = _parser().parse_args(arguments)
    try:
        with Gateway(options.url, os.environ.get("TELLTALE_OPERATOR_KEY")) as gateway:
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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="telltale", description=__doc__)
    parser.add_argument(
        "--url", default=os.environ.get("TELLTALE_URL", _URL), help=f"the gateway (TELLTALE_URL, or {_URL})"
    )
    rollout = parser.add_subparsers(required=True).add_parser("rollout", help="which version of a detector answers")
    commands = rollout.add_subparsers(dest="command", required=True)
    _add_orders(commands)
    status = commands.add_parser("status", help="where every version stands")
    status.add_argument("detector", nargs="?")
    status.set_defaults(action=_status)
    history = commands.add_parser("history", help="who did what, when and why")
    history.add_argument("detector")
    history.set_defaults(action=_history)
    diff = commands.add_parser("diff", help="how the scores of two versions differ")
    diff.add_argument("detector")
    diff.add_argument("left", type=int, metavar="V1")
    diff.add_argument("right", type=int, metavar="V2")
    diff.set_defaults(action=_diff)
    return parser


def _add_orders(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    order = argparse.ArgumentParser(add_help=False)
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
