"""The options of every command that reads a data set, and what they mean."""

from __future__ import annotations

import argparse
from pathlib import Path

from telltale_export.data.dataset import Dataset, read_dataset
from telltale_export.data.layouts import LAYOUT_NAMES


def add_dataset_options(parser: argparse.ArgumentParser) -> None:
    """Where the data are, how they lie there, and whose splits count."""
    parser.add_argument("--data", type=Path, required=True, help="the data set's folder, or a list like labels.csv")
    parser.add_argument("--layout", choices=LAYOUT_NAMES, help="how it lies there; found out when not given")
    parser.add_argument(
        "--splits", choices=("keep", "ignore"), default="keep", help="the splits that the data set itself gives"
    )


def dataset_of(options: argparse.Namespace) -> Dataset:
    """The data set that the options name.

    Raises:
        DataError: see ``read_dataset``.
    """
    return read_dataset(options.data, options.layout, given_splits=options.splits == "keep")
