"""``python -m tests.fuzz``: send hostile files to the preprocess-service and say what came back.

    python -m tests.fuzz --mutants 2000 --seed 1
    python -m tests.fuzz --seed 1 --write 1234 FILE     one mutant of that campaign, to look at

Exits 1 when anything came back that should not have.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.campaign import Campaign, run_campaign
from tests.fuzz.mutants import make_mutant
from tests.fuzz.seeds import seeds


def main() -> int:
    """Run a campaign and print its summary, or write one mutant to a file."""
    parser = argparse.ArgumentParser(prog="tests.fuzz", description="Hostile files against the preprocess-service.")
    parser.add_argument("--mutants", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--write", nargs=2, metavar=("NUMBER", "FILE"), help="write one mutant instead")
    options = parser.parse_args()
    whole = seeds()
    if options.write:
        mutant = make_mutant(options.seed, int(options.write[0]), whole)
        Path(options.write[1]).write_bytes(mutant.body)
        print(f"{mutant.format}, {', '.join(mutant.ways)}: {len(mutant.body)} bytes")
        return 0
    campaign = run_campaign(whole, seed=options.seed, count=options.mutants, clients=options.clients)
    print("\n".join(summary(campaign, options.seed)))
    return 1 if campaign.broken else 0


def summary(campaign: Campaign, seed: int) -> Iterator[str]:
    """What came back, by code and by format, lost workers, the slowest, and whatever is wrong."""
    count = len(campaign.answers)
    yield f"{count} mutants of seed {seed} in {campaign.seconds:.0f} s ({count / campaign.seconds:.1f} a second)"
    yield ""
    yield from _table("answer", Counter(f"{each.status} {each.code}" for each in campaign.answers))
    yield ""
    yield f"{'format':<18} {'ok':>5} {'4xx':>5} {'504':>5} {'wrong':>6}"
    for name in sorted({each.mutant.format for each in campaign.answers}):
        of = [each for each in campaign.answers if each.mutant.format == name]
        kinds = Counter("wrong" if each.fault else each.status // 100 for each in of)
        yield f"{name:<18} {kinds[2]:>5} {kinds[4]:>5} {kinds[5]:>5} {kinds['wrong']:>6}"
    yield ""
    lost = ", ".join(f"{reason} {number}" for reason, number in sorted(campaign.restarts.items()))
    yield f"workers lost: {lost or 'none'}"
    slowest = sorted(campaign.answers, key=lambda each: each.seconds)[-3:][::-1]
    for each in slowest:
        yield f"slow: {each.seconds:.2f} s, {each.mutant}: {each.code}"
    yield ""
    yield from (f"WRONG: {line}" for line in campaign.broken)
    if not campaign.broken:
        yield "Nothing wrong: no process and no file left, good files give the same tensors as before."


def _table(title: str, counted: Counter[str]) -> Iterator[str]:
    yield f"{title:<32} {'mutants':>8}"
    for what, number in counted.most_common():
        yield f"{what:<32} {number:>8}"


if __name__ == "__main__":
    sys.exit(main())
