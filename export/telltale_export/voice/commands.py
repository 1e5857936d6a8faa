"""``train voice-vocoder`` and ``evaluate voice-vocoder``."""

from __future__ import annotations

import argparse
from pathlib import Path

from telltale_contracts import CARD_FILE, Rollout, VersionCard

from telltale_export.cli import Commands
from telltale_export.errors import ExportError

NAME = "voice-vocoder"


def register(commands: Commands) -> None:
    """Add both."""
    train = commands.add("train", NAME, "Train a version on labelled sounds and publish it.", _train)
    train.add_argument("--media", type=Path, required=True, help="folder with labels.csv (see telltale_export.data)")
    train.add_argument("--to", type=Path, required=True, help="the model repository")
    train.add_argument("--steps", type=_positive, default=600, help="training steps of the version and of each fold")
    train.add_argument("--pairs", type=_positive, default=12, help="genuine and forged pairs in a step")
    train.add_argument("--rounds", type=_positive, default=2, help="random treatments of each file that is scored")
    train.add_argument("--seed", type=int, default=0)
    train.add_argument("--threads", type=_positive, default=1, help="of torch")

    evaluate = commands.add("evaluate", NAME, "Measure a published version on sounds that are new to it.", _evaluate)
    evaluate.add_argument("--media", type=Path, required=True, help="folder with labels.csv")
    evaluate.add_argument("--repository", type=Path, required=True, help="the model repository")
    evaluate.add_argument("--version", type=_positive, help="the live one when not given")
    evaluate.add_argument("--rounds", type=_positive, default=2, help="random treatments of each file")
    evaluate.add_argument("--seed", type=int, default=0)


def _train(options: argparse.Namespace) -> None:
    import torch  # noqa: PLC0415 - heavy

    from telltale_export.evaluation import table  # noqa: PLC0415
    from telltale_export.voice.recipe import VoiceRun, train_version  # noqa: PLC0415
    from telltale_export.voice.training import TrainingPlan  # noqa: PLC0415

    torch.set_num_threads(options.threads)
    plan = TrainingPlan(steps=options.steps, pairs=options.pairs, seed=options.seed)
    run = VoiceRun(options.media, options.to, plan, options.rounds)
    folder = train_version(run, lambda line: print(line, flush=True))
    print(table(_card(folder).measured))
    print(f"published as {folder}")


def _evaluate(options: argparse.Namespace) -> None:
    from telltale_export.evaluation import table  # noqa: PLC0415
    from telltale_export.voice.recipe import evaluate_version  # noqa: PLC0415

    home = options.repository / NAME
    if options.version is None and not (home / "rollout.yaml").is_file():
        raise ExportError(f"{options.repository} holds no {NAME}.", "Give --repository, or train one first.")
    version = options.version or Rollout.from_yaml(home / "rollout.yaml").live
    if not (home / str(version)).is_dir():
        raise ExportError(f"{home} holds no version {version}.", "Give a --version that is there.")
    card = _card(home / str(version))
    print(table(evaluate_version(home / str(version), options.media, card.calibration, options.rounds, options.seed)))


def _card(version_dir: Path) -> VersionCard:
    return VersionCard.from_yaml(version_dir / CARD_FILE)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value
