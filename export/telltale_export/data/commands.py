"""``data``: what a data set holds, what is wrong with it, and its list with splits."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import get_args

from telltale_export.cli import Commands
from telltale_export.data.items import SPLITS, Modality
from telltale_export.data.layouts import LABELS_FILE, write_labels
from telltale_export.data.options import add_dataset_options, dataset_of
from telltale_export.data.splits import Shares, split_by_group
from telltale_export.errors import DataError


def register(commands: Commands) -> None:
    """Add ``data``."""
    parser = commands.add("data", None, "Say what a data set holds and what is wrong with it.", _data)
    add_dataset_options(parser)
    parser.add_argument("--to", type=Path, metavar="LIST", help="write it as such a list (.csv), divided by groups")
    parser.add_argument("--modality", choices=get_args(Modality), help="only media of this kind")
    parser.add_argument(
        "--shares", type=_shares, default=Shares(), metavar="X,Y,Z", help="of training, calibration and test"
    )
    parser.add_argument("--seed", type=int, default=0, help="decides between groups that are equally good")


def _data(options: argparse.Namespace) -> None:
    dataset = dataset_of(options)
    if options.modality is not None:
        dataset = replace(dataset, items=tuple(dataset.of(options.modality)))
    print(dataset.summary())
    if options.to is not None:
        if options.to.resolve() in {options.data.resolve(), (options.data / LABELS_FILE).resolve()}:
            raise DataError(f"{options.to} is the list that was read.", "Write the divided one beside it.")
        split = split_by_group(dataset.items, options.shares, options.seed)
        named = {item: name for name in SPLITS for item in getattr(split, name)}
        write_labels((replace(item, split=named[item]) for item in dataset.items), options.to)
        print(f"written as {options.to}; {split.description}")
        for name in SPLITS:
            if not getattr(split, name):
                print(f"  nothing is for {name}: there are too few groups")


def _shares(text: str) -> Shares:
    try:
        training, calibration, test = (float(part) for part in text.split(","))
        return Shares(training, calibration, test)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not three shares that add up to 1") from error
