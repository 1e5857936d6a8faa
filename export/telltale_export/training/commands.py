"""``train network``: any torch architecture, on extracted shards, as a file says."""

from __future__ import annotations

import argparse
from pathlib import Path

from telltale_export.cli import Commands, positive


def register(commands: Commands) -> None:
    """Add ``train network``."""
    parser = commands.add("train", "network", "Train a torch architecture on extracted shards, from a file.", _train)
    parser.add_argument("--config", type=Path, required=True, help="how: a YAML file, see docs/training.md")
    parser.add_argument("--shards", type=Path, required=True, help="what `extract` wrote of a divided data set")
    parser.add_argument("--to", type=Path, required=True, help="folder for the checkpoint; an interrupted run goes on")
    parser.add_argument("--threads", type=positive, default=1, help="of torch, on the CPU (%(default)s)")


def _train(options: argparse.Namespace) -> None:
    import torch  # noqa: PLC0415 - heavy

    from telltale_export.training.plan import read_plan  # noqa: PLC0415
    from telltale_export.training.recipe import train_network  # noqa: PLC0415

    torch.set_num_threads(options.threads)
    plan = read_plan(options.config)
    trained = train_network(plan, options.shards, options.to, lambda line: print(line, flush=True))
    best = min(trained.history, key=lambda epoch: epoch.loss)
    print(f"the best is epoch {best.number}: loss {best.loss:.4f}, AUC {best.auc:.3f} on calibration media")
    print(f"Next: telltale-export convert {plan.architecture} --checkpoint {trained.checkpoint} --measure-on DATA ...")
