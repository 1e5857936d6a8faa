"""Lay the files that Telltale needs but does not own into .cache/assets.

Face models, the public-domain portrait, tritonserver, perf_analyzer and a speech synthesiser come out of wheels that
are pinned, with the sha256 of every file, in requirements/assets.toml. A wheel is downloaded only when something of it
is missing or altered, and deleted once it has been opened. Run it with any Python 3.11 that has pip.
"""

import argparse
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from _steps import SetupError, call, main_or_message, only_one, say, step

HOUSE = Path(__file__).resolve().parent.parent
RECORD = ".checked.json"
CHUNK = 1 << 20


@dataclass(frozen=True)
class Asset:
    """A file (`member`) or a tree (members under the `keep` prefixes, less `strip`) of a wheel, laid out at `to`."""

    to: str
    sha256: str
    member: str = ""
    keep: tuple[str, ...] = ()
    strip: str = ""

    def target(self, name: str) -> str | None:
        """Where in the asset folder the wheel's member `name` goes; None when it is not part of this asset."""
        if self.member:
            return self.to if name == self.member else None
        for prefix in self.keep:
            if name == prefix or (prefix.endswith("/") and name.startswith(prefix)):
                return f"{self.to}/{name.removeprefix(self.strip)}"
        return None


@dataclass(frozen=True)
class Wheel:
    """A pinned wheel, and what is taken out of it."""

    requirement: str
    sha256: str
    license: str
    license_file: str
    assets: tuple[Asset, ...]

    @property
    def license_copy(self) -> str:
        """Where the wheel's licence is kept, relative to the asset folder."""
        return f"licenses/{self.requirement.partition('==')[0]}.txt"


def read_pins(path: Path) -> list[Wheel]:
    """The wheels that `path` (TOML) pins."""
    wheels = tomllib.loads(path.read_text())["wheel"]
    return [
        Wheel(
            requirement=wheel["requirement"],
            sha256=wheel["sha256"],
            license=wheel["license"],
            license_file=wheel["license_file"],
            assets=tuple(Asset(**{**asset, "keep": tuple(asset.get("keep", ()))}) for asset in wheel["asset"]),
        )
        for wheel in wheels
    ]


def files_of(place: Path) -> dict[str, Path]:
    """The files of an asset by relative path, "" for a single file; bytecode that Python left in a tree is not its."""
    if not place.is_dir():
        return {"": place} if place.is_file() else {}
    return {
        path.relative_to(place).as_posix(): path
        for path in sorted(place.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def digest(place: Path) -> str:
    """sha256 of a file, or of a tree's sorted `sha256sum` listing; of nothing, where there is nothing."""
    files = files_of(place)
    if list(files) == [""]:
        return _sha256(place)
    listing = "".join(f"{_sha256(path)}  {name}\n" for name, path in sorted(files.items()))
    return hashlib.sha256(listing.encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _footprint(place: Path) -> dict[str, list[int]]:
    """Size and modification time of each file: enough to know that nothing was touched since it was last hashed."""
    return {name: [(stat := path.stat()).st_size, stat.st_mtime_ns] for name, path in files_of(place).items()}


class Shelf:
    """The asset folder, with a record of what was hashed so that an untouched file is not hashed again."""

    def __init__(self, root: Path) -> None:
        """Open the folder; a record that cannot be read counts as none."""
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        try:
            self._record = json.loads((root / RECORD).read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            self._record = {}

    def holds(self, asset: Asset) -> bool:
        """Whether the asset lies there, whole and unaltered."""
        place = self.root / asset.to
        footprint = _footprint(place)
        if not footprint:
            return False
        if self._record.get(asset.to) == {"sha256": asset.sha256, "files": footprint}:
            return True
        if digest(place) != asset.sha256:
            return False
        self._remember(asset)
        return True

    def take(self, asset: Asset, laid: Path) -> None:
        """Move a freshly laid asset (`laid`, on the same file system) into its place.

        Raises:
            SetupError: its digest is not the pinned one; the folder is left as it was.
        """
        found = digest(laid)
        if found != asset.sha256:
            raise SetupError(
                f"{asset.to} has sha256 {found}, but requirements/assets.toml pins {asset.sha256}.\n"
                "It was not used. Compare the pin with the wheel; do not replace it unread."
            )
        place = self.root / asset.to
        if place.is_dir():
            shutil.rmtree(place)
        laid.replace(place)
        self._remember(asset)

    def _remember(self, asset: Asset) -> None:
        self._record[asset.to] = {"sha256": asset.sha256, "files": _footprint(self.root / asset.to)}
        fresh = self.root / f"{RECORD}.new"
        fresh.write_text(json.dumps(self._record))
        fresh.replace(self.root / RECORD)


def download(wheel: Wheel, into: Path) -> Path:
    """Fetch the wheel with pip, which checks its sha256; returns its path. Raises `SetupError` when it cannot."""
    pinned = into / "wheel.txt"
    pinned.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
    how = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
    call(
        [sys.executable, "-m", "pip", "download", *how, "--dest", into, "-r", pinned],
        failed=f"pip could not download {wheel.requirement} (sha256 {wheel.sha256[:12]}…). "
        "Check the network and pip's index, then run this again; what is already there is kept.",
    )
    return next(into.glob("*.whl"))


def lay(wheel: Wheel, archive: Path, into: Path) -> None:
    """Unpack what is wanted of `archive` below `into`, with the executable bits that the wheel gives."""
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            if info.is_dir():
                continue
            targets = [target for asset in wheel.assets if (target := asset.target(info.filename))]
            if info.filename == wheel.license_file:
                targets.append(wheel.license_copy)
            for target in targets:
                if ".." in PurePosixPath(target).parts or target.startswith("/"):
                    raise SetupError(f"{wheel.requirement} names a file outside its folder: {info.filename}")
                place = into / target
                place.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(info) as source, place.open("wb") as sink:
                    shutil.copyfileobj(source, sink, CHUNK)
                place.chmod(0o755 if (info.external_attr >> 16) & 0o111 else 0o644)


def fill(wheels: list[Wheel], root: Path) -> int:
    """Bring the asset folder to what `wheels` pin; returns how many wheels had to be opened."""
    shelf = Shelf(root)
    for abandoned in root.glob(".laying-*"):
        shutil.rmtree(abandoned)
    opened = 0
    for wheel in wheels:
        wanted = [asset for asset in wheel.assets if not shelf.holds(asset)]
        if not wanted and (root / wheel.license_copy).is_file():
            continue
        for asset in wanted:
            if (root / asset.to).exists():
                say(f"{asset.to} is not what is pinned; it is laid anew")
        with (
            step(f"assets of {wheel.requirement}"),
            tempfile.TemporaryDirectory(prefix=".laying-", dir=root) as scratch,
        ):
            laid = Path(scratch) / "laid"
            lay(wheel, download(wheel, Path(scratch)), laid)
            for asset in wanted:
                shelf.take(asset, laid / asset.to)
            (root / "licenses").mkdir(exist_ok=True)
            (laid / wheel.license_copy).replace(root / wheel.license_copy)
        opened += 1
    return opened


def chosen(wheels: list[Wheel], name: str | None) -> list[Wheel]:
    """The wheel of that name alone, or all. Raises `SetupError` when there is none."""
    found = [wheel for wheel in wheels if name in (None, wheel.requirement.partition("==")[0])]
    if not found:
        raise SetupError(f"requirements/assets.toml pins no wheel named {name}.")
    return found


def main() -> None:
    """Fill the folder, holding the lock."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--to", type=Path, default=HOUSE / ".cache" / "assets", help="the asset folder")
    parser.add_argument("--pins", type=Path, default=HOUSE / "requirements" / "assets.toml", help="what to lay there")
    parser.add_argument("--only", help="the name of the one wheel whose files are wanted (default: all)")
    options = parser.parse_args()
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise SetupError(
            f"the pinned wheels are for Linux on x86_64; this is {sys.platform} on {platform.machine()}.\n"
            "Use the container images there."
        )
    os.umask(0o022)
    with only_one(options.to.parent / f"{options.to.name}.lock"):
        fill(chosen(read_pins(options.pins), options.only), options.to.resolve())


if __name__ == "__main__":
    main_or_message(main)
