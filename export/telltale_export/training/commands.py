"""``train network``: any torch architecture, on extracted shards, as a file says."""

from __future__ import annotations

import argparse
from pathlib import Path

from telltale_export.architectures import Framework, find_architecture
from telltale_export.cli import Commands, positive


def register(commands: Commands) -> None:
    """Add ``train network``."""
    parser = commands.add("train", "network", "Train an architecture on extracted shards, from a file.", _train)
    parser.add_argument("--config", type=Path, required=True, help="how: a YAML file, see docs/training.md")
    parser.add_argument("--shards", type=Path, required=True, help="what `extract` wrote of a divided data set")
    parser.add_argument("--to", type=Path, required=True, help="folder for the checkpoint; an interrupted run goes on")
    parser.add_argument("--threads", type=positive, default=1, help="on the CPU (%(default)s)")


def _train(options: argparse.Namespace) -> None:
    from telltale_export.training.plan import read_plan  # noqa: PLC0415
    from telltale_export.training.recipe import train_network  # noqa: PLC0415

    plan = read_plan(options.config)
    _compute_with(options.threads, find_architecture(plan.architecture).framework)
    trained = train_network(plan, options.shards, options.to, lambda line: print(line, flush=True))
    best = min(trained.history, key=lambda epoch: epoch.loss)
    print(f"the best is epoch {best.number}: loss {best.loss:.4f}, AUC {best.auc:.3f} on calibration media")
    print(f"Next: telltale-export convert {plan.architecture} --checkpoint {trained.checkpoint} --measure-on DATA ...")


def _compute_with(threads: int, framework: Framework) -> None:
    if framework == "keras":
        import tensorflow as tf  # noqa: PLC0415 - heavy

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        return
    import torch  # noqa: PLC0415 - heavy

    torch.set_num_threads(threads)
