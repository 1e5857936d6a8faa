"""The command line, put together from what each part of export brings.

A part is a subpackage with a module ``commands`` that defines ``register(commands: Commands) -> None``. That module
imports torch, tensorflow or anything else heavy inside the functions that it registers, so that ``--help`` and a
mistyped option answer at once.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Sequence
from typing import Any

import telltale_export
from telltale_export.errors import ExportError

Handler = Callable[[argparse.Namespace], None]


class Commands:
    """Where the parts hang their commands: ``telltale_export VERB`` or ``telltale_export VERB NAME``."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._verbs: Any = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        self._names: dict[str, Any] = {}

    def add(self, verb: str, name: str | None, help_text: str, handler: Handler) -> argparse.ArgumentParser:
        """A parser for one command, to which the caller adds its options.

        Args:
            verb: ``train``, ``evaluate``, ``check``, ...
            name: the detector, or what else the verb is about; none where the verb stands alone.
            help_text: one line for ``--help``.
            handler: runs the command; raises ExportError for what the caller can put right.
        """
        if name is None:
            parser: argparse.ArgumentParser = self._verbs.add_parser(verb, help=help_text, description=help_text)
        else:
            if verb not in self._names:
                described = f"{verb} ..., see {verb} --help"
                group = self._verbs.add_parser(verb, help=described, description=described)
                self._names[verb] = group.add_subparsers(dest="name", required=True, metavar="NAME")
            parser = self._names[verb].add_parser(name, help=help_text, description=help_text)
        parser.set_defaults(handler=handler)
        return parser


def build_parser() -> argparse.ArgumentParser:
    """The whole command line, every part's commands in it."""
    parser = argparse.ArgumentParser(prog="telltale_export", description="Train, evaluate and check detectors.")
    commands = Commands(parser)
    for part in _parts():
        importlib.import_module(part).register(commands)
    return parser


def run(arguments: Sequence[str]) -> int:
    """Run one command line; the exit status."""
    options = build_parser().parse_args(arguments)
    try:
        options.handler(options)
    except ExportError as error:
        return _refused(str(error), error.hint)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("telltale"):
            raise
        return _refused(
            f"{error.name} is not installed in this environment.",
            "Run it from `.venvs/models`; `make torch` adds there what training needs.",
        )
    except OSError as error:
        # A full disk, a folder that is a file, no permission: the caller's to put right, wherever it was met.
        where = f"{error.filename}: " if error.filename is not None else ""
        return _refused(
            f"{where}{error.strerror or error}.", "See that it can be read and written, and that there is room."
        )
    return 0


def _refused(message: str, hint: str) -> int:
    print(f"telltale_export: {message}\n  {hint}", file=sys.stderr)
    return 2


def positive(text: str) -> int:
    """An option's value: a whole number over zero.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def share(text: str) -> float:
    """An option's value: a number over 0, at most 1.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    value = float(text)
    if not 0.0 < value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not over 0 and at most 1")
    return value


def probability(text: str) -> float:
    """An option's value: a number from 0 to 1.

    Raises:
        argparse.ArgumentTypeError: it is none.
    """
    value = float(text)
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return value


def _parts() -> list[str]:
    packages = (module.name for module in pkgutil.iter_modules(telltale_export.__path__) if module.ispkg)
    modules = (f"telltale_export.{package}.commands" for package in sorted(packages))
    return [module for module in modules if importlib.util.find_spec(module) is not None]
