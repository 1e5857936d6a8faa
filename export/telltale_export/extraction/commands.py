"""``extract``: a data set through the preprocessing that serves, into shards."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from telltale_export.cli import Commands, positive
from telltale_export.data.options import add_dataset_options, dataset_of
from telltale_export.errors import DataError, ExportError
from telltale_export.packaging.documents import read_document
from telltale_export.preprocessing import SERVICE_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from telltale_contracts import Recipe, Sampling


def register(commands: Commands) -> None:
    """Add ``extract``."""
    parser = commands.add("extract", None, "Run a data set through preprocessing and keep what it gives.", _extract)
    add_dataset_options(parser)
    parser.add_argument("--to", type=Path, required=True, help="folder for the shards; what is there is kept")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--recipe", type=Path, help="what is wanted: a Recipe as JSON")
    what.add_argument("--for", dest="detectors", metavar="NAMES", help="what these detectors look at, comma-separated")
    what.add_argument("--architecture", metavar="NAMES", help="what these architectures look at, comma-separated")
    parser.add_argument(
        "--repository", type=Path, default=Path("model-repository"), help="where the detectors are (%(default)s)"
    )
    parser.add_argument(
        "--preprocess", metavar="URL", default=os.environ.get(SERVICE_VARIABLE), help=f"or {SERVICE_VARIABLE}"
    )
    parser.add_argument("--workers", type=positive, default=2, help="media under way at once (%(default)s)")
    parser.add_argument("--shard-size", type=positive, default=16, help="media in a shard (%(default)s)")


def _extract(options: argparse.Namespace) -> None:
    from telltale_export.extraction.extract import Extraction, extract  # noqa: PLC0415

    if options.preprocess is None:
        raise ExportError("No preprocess-service was named.", f"Give --preprocess, or {SERVICE_VARIABLE}.")
    dataset = dataset_of(options)
    print(dataset.summary())
    recipe = _recipe(options)
    report = extract(Extraction(dataset, recipe, options.to, options.preprocess, options.workers, options.shard_size))
    print(
        f"{report.real} real and {report.fake} fake media of {report.media} are in {report.shards} shards, "
        f"{report.shards_found} of which were there"
    )
    for code, count in report.reasons.items():
        example = next(each for each in report.skipped if each.code == code)
        print(f"  skipped: {count} x {code}, such as {Path(example.path).name}: {example.reason}")
    print(f"written into {options.to}: report.json names every one")


def _recipe(options: argparse.Namespace) -> Recipe:
    from pydantic import ValidationError  # noqa: PLC0415
    from telltale_contracts import DetectorManifest, Recipe  # noqa: PLC0415

    if options.recipe is not None:
        try:
            return Recipe.model_validate_json(options.recipe.read_bytes())
        except (OSError, ValidationError) as error:
            raise DataError(f"{options.recipe} is no recipe: {error}.", "See docs/inputs.md for the specs.") from error
    if options.architecture is not None:
        from telltale_export.architectures import find_architecture  # noqa: PLC0415

        found = [find_architecture(name) for name in options.architecture.split(",")]
        return Recipe.union((each.input for each in found), _densest(each.sampling for each in found))
    manifests = []
    for name in options.detectors.split(","):
        path = options.repository / name / "detector.yaml"
        if not path.is_file():
            raise DataError(f"{options.repository} holds no detector {name!r}.", "Give --repository, or other names.")
        manifests.append(read_document(DetectorManifest, path))
    return Recipe.union((each.input for each in manifests), _densest(each.sampling for each in manifests))


def _densest(wanted: Iterable[Sampling | None]) -> Sampling:
    from telltale_contracts import Sampling  # noqa: PLC0415

    return Sampling.densest(sampling or Sampling() for sampling in wanted)
