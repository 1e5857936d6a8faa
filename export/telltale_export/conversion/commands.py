"""``list``, ``convert`` and ``verify``: published checkpoints as served detectors."""

from __future__ import annotations

import argparse
import os
import shlex
from pathlib import Path

from telltale_contracts import CARD_FILE, VersionCard

from telltale_export.cli import Commands, positive, share
from telltale_export.preprocessing import SERVICE_VARIABLE
from telltale_export.served.options import TFSERVING_VARIABLE, TRITON_VARIABLE


def register(commands: Commands) -> None:
    """Add all three."""
    commands.add("list", None, "Say which published architectures can be converted.", _list)

    convert = commands.add("convert", None, "Publish a checkpoint as a version of a detector.", _convert)
    convert.add_argument("architecture", help="what it was trained as; `list` says which there are")
    convert.add_argument("--checkpoint", type=Path, required=True, help="weights: .pth, .pt, .safetensors, .h5, .keras")
    convert.add_argument("--to", type=Path, required=True, help="the model repository")
    convert.add_argument("--name", required=True, help="of the detector in the repository")
    convert.add_argument("--server", choices=("triton", "tfserving"), help="who is to serve it")
    convert.add_argument("--version", type=positive, help="its number; the next one when not given")

    convert.add_argument(
        "--precision", choices=("fp32", "fp16", "int8"), default="fp32", help="of the served graph's numbers"
    )
    convert.add_argument(
        "--calibrate-on",
        type=Path,
        metavar="FOLDER",
        help="crops (in real/ and fake/ where that is known) or .safetensors of inputs, for int8 and to measure drift",
    )
    convert.add_argument("--max-drift", type=share, metavar="X", help="of one score by narrowing; beyond it, it fails")
    convert.add_argument(
        "--max-heatmap-drift", type=share, metavar="X", help="of heatmaps, as a share of what is seen in them; likewise"
    )

    convert.add_argument(
        "--measure-on", type=Path, metavar="MEDIA", help="folder with labels.csv; without it the version cannot vote"
    )
    convert.add_argument(
        "--preprocess", metavar="URL", default=os.environ.get(SERVICE_VARIABLE), help=f"or {SERVICE_VARIABLE}"
    )

    verify = commands.add("verify", None, "Compare source, artefact and served model on the same inputs.", _verify)
    verify.add_argument("version", type=Path, help="folder of a version, model-repository/<detector>/<number>")
    verify.add_argument(
        "--checkpoint", type=Path, help="the file that it was converted from; its framework answers too"
    )
    verify.add_argument(
        "--served-triton", metavar="URL", default=os.environ.get(TRITON_VARIABLE), help=f"or {TRITON_VARIABLE}"
    )
    verify.add_argument(
        "--served-tfserving",
        metavar="HOST:PORT",
        default=os.environ.get(TFSERVING_VARIABLE),
        help=f"or {TFSERVING_VARIABLE}",
    )
    verify.add_argument("--not-served", action="store_true", help="start no server: compare source and artefact only")
    verify.add_argument("--load", action="store_true", help="the server is empty and your own: load the version there")
    verify.add_argument(
        "--on",
        type=Path,
        metavar="FOLDER",
        help="inputs as --calibrate-on takes them: a narrowed version is held to its card on such ones only",
    )
    verify.add_argument("--random", type=positive, default=8, metavar="N", help="random items beside the golden ones")
    verify.add_argument("--seed", type=int, default=0, help="of the random items")


def _list(_: argparse.Namespace) -> None:
    from telltale_export.architectures import architectures  # noqa: PLC0415

    for architecture in architectures().values():
        shown = " heatmap" if architecture.heatmap else ""
        print(f"{architecture.name:22} {architecture.framework:6} {architecture.forgery:14}{shown}")
        print(f"    {architecture.paper}")
        print(f"    input {architecture.input.kind}. {architecture.convention}")
        print(f"    keys {architecture.layout}")


def _convert(options: argparse.Namespace) -> None:
    from telltale_export.architectures import find_architecture  # noqa: PLC0415

    architecture = find_architecture(options.architecture)
    from telltale_export.conversion.convert import Conversion, convert  # noqa: PLC0415 - heavy
    from telltale_export.evaluation import table  # noqa: PLC0415 - heavy
    from telltale_export.precision import DriftLimits  # noqa: PLC0415 - heavy

    converted = convert(
        Conversion(
            architecture,
            options.checkpoint,
            options.to,
            options.name,
            server=options.server,
            version=options.version,
            precision=options.precision,
            calibrate_on=options.calibrate_on,
            limits=DriftLimits(options.max_drift, options.max_heatmap_drift),
            measure_on=options.measure_on,
            preprocessing=options.preprocess,
        )
    )
    found = converted.difference
    print(f"published as {converted.folder}")
    print(f"{found.runtime} and {found.against} differ by at most {found.largest:.1e} on the {found.inputs} inputs")
    if (narrowed := converted.precision) is not None:
        auc = "" if narrowed.auc_change is None else f", AUC by {narrowed.auc_change:+.4f}"
        print(
            f"{narrowed.kind} moves a score by at most {narrowed.max_drift:.4f}, {narrowed.mean_drift:.4f} on average"
            f"{auc} ({narrowed.n} inputs; {narrowed.limit:g} is allowed)"
        )
        if narrowed.heatmap_drift is not None:
            print(
                f"It moves heatmaps by {narrowed.heatmap_drift:.3f} of what is seen in them "
                f"({narrowed.heatmap_limit:g} is allowed)"
            )
    if options.measure_on is None:
        print("It cannot vote before it is measured: convert it with --measure-on.")
    else:
        card = VersionCard.from_yaml(converted.folder / CARD_FILE)
        print(table(card.measured))
    verify = ["telltale-export", "verify", str(converted.folder), "--checkpoint", str(options.checkpoint)]
    if options.calibrate_on is not None:
        verify += ["--on", str(options.calibrate_on)]
    print(f"Next: {shlex.join(verify)}")


def _verify(options: argparse.Namespace) -> None:
    from telltale_export.conversion.verify import Verification, verify  # noqa: PLC0415 - heavy
    from telltale_export.served.version import read_version  # noqa: PLC0415

    manifest, _ = read_version(options.version)
    given = options.served_triton if manifest.server == "triton" else options.served_tfserving
    if given is None and not options.not_served:
        from telltale_export.conversion.own_server import verify_with_own_server  # noqa: PLC0415

        again = ["--random", str(options.random), "--seed", str(options.seed)]
        again += [] if options.checkpoint is None else ["--checkpoint", str(options.checkpoint)]
        again += [] if options.on is None else ["--on", str(options.on)]
        verify_with_own_server(options.version, manifest, again)
        return
    verify(
        Verification(
            version_dir=options.version,
            checkpoint=options.checkpoint,
            triton=None if options.not_served else options.served_triton,
            tfserving=None if options.not_served else options.served_tfserving,
            load=options.load,
            on=options.on,
            random_items=options.random,
            seed=options.seed,
        ),
        lambda line: print(line, flush=True),
    )
