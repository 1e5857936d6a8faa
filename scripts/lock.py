"""Write the lock files from requirements/*.in with uv: wheels only, every one by hash, no registry's address.

Pins that still fit are kept; `--upgrade` looks for newer ones. Run it with any Python; it needs .venvs/tools.
"""

import argparse
from pathlib import Path

from _steps import SetupError, call, main_or_message, step

HOUSE = Path(__file__).resolve().parent.parent
# In this order: gateway.in, preprocess.in and checks.in hold to services.txt, torch.in to models.txt.
LOCKS = ("services", "gateway", "preprocess", "checks", "triton", "models", "torch", "bench", "tools")
# uv sees only the registry's CUDA build of torch; the CPU build is pinned by hand.
PINNED_BY_HAND = {"torch": "torch"}
HOW = (
    *("--python-version", "3.11", "--python-platform", "x86_64-manylinux_2_35", "--only-binary", ":all:"),
    *("--generate-hashes", "--no-emit-index-url", "--no-emit-find-links", "--no-header", "--quiet"),
)


def lock(name: str, folder: Path, uv: Path, *, upgrade: bool) -> None:
    """Write `name`.txt from `name`.in, and from `name`.overrides.txt where there is one.

    Raises:
        SetupError: it cannot be resolved to wheels, or the result names an address.
    """
    arguments: list[str | Path] = [folder / f"{name}.in", "--output-file", folder / f"{name}.txt", *HOW]
    overrides = folder / f"{name}.overrides.txt"
    if overrides.exists():
        arguments += ["--override", overrides]
    if name in PINNED_BY_HAND:
        arguments += ["--no-emit-package", PINNED_BY_HAND[name]]
    if upgrade:
        arguments.append("--upgrade")
    relative = [part.relative_to(folder) if isinstance(part, Path) else part for part in arguments]
    call([uv, "pip", "compile", *relative], failed=f"{name}.in cannot be locked.", cwd=folder)
    if "://" in (folder / f"{name}.txt").read_text():
        raise SetupError(f"requirements/{name}.txt names an address; a lock file must work with any registry.")


def main() -> None:
    """Write all lock files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--upgrade", action="store_true", help="look for newer versions")
    options = parser.parse_args()
    for name in LOCKS:
        with step(f"requirements/{name}.txt"):
            lock(name, HOUSE / "requirements", HOUSE / ".venvs/tools/bin/uv", upgrade=options.upgrade)


if __name__ == "__main__":
    main_or_message(main)
