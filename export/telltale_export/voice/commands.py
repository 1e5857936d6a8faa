"""``train voice-vocoder``."""

from __future__ import annotations

import argparse
from pathlib import Path

from telltale_contracts import CARD_FILE, VersionCard

from telltale_export.cli import Commands, positive

NAME = "voice-vocoder"


def register(commands: Commands) -> None:
    """Add it."""
    train = commands.add("train", NAME, "Train a version on labelled sounds and publish it.", _train)
    train.add_argument("--media", type=Path, required=True, help="folder with labels.csv (see telltale_export.data)")
    train.add_argument("--to", type=Path, required=True, help="the model repository")
    train.add_argument("--rounds", type=positive, default=6, help="random treatments of each file (%(default)s)")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--threads", type=positive, default=1, help="of torch")


def _train(options: argparse.Namespace) -> None:
    import torch  # noqa: PLC0415 - heavy

    from telltale_export.evaluation import table  # noqa: PLC0415
    from telltale_export.voice.discriminant import TrainingPlan  # noqa: PLC0415
    from telltale_export.voice.recipe import VoiceRun, train_version  # noqa: PLC0415

    torch.set_num_threads(options.threads)
    plan = TrainingPlan(rounds=options.rounds, seed=options.seed)
    run = VoiceRun(options.media, options.to, plan)
    folder = train_version(run, lambda line: print(line, flush=True))
    print(table(VersionCard.from_yaml(folder / CARD_FILE).measured))
    print(f"published as {folder}")
