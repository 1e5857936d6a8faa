"""``real/`` and ``fake/``: the class is the folder.

    real/.../x.png                    family camera
    fake/x.png, fake/<family>/x.png   family fake, or the folder's name
    <split>/real/x.png                split train, val or test (or another word for one of them)

The group is the file's name without its suffix, so that a forgery named like its original stays with it; within each
split where there are splits. The source is the data set's own folder.
"""

from __future__ import annotations

from pathlib import Path

from telltale_export.data.items import MediaItem, Modality, SplitName, modality_of, split_of
from telltale_export.data.layouts.reading import LeftOut, Reading

_CLASSES = ("real", "fake")
_UNKNOWN = "not stated"


class RealFake:
    """A folder for each class."""

    def found(self, place: Path) -> bool:
        """Whether both classes have a folder, here or in the folder of a split."""
        return any(all(name in _folders(part) for name in _CLASSES) for part, _ in _parts(place))

    def read(self, place: Path) -> Reading:
        """Every medium below a class's folder; other folders are left out, counted by their names."""
        reading = Reading()
        for part, split in _parts(place):
            for name, folder in sorted(_folders(part).items()):
                if split is None and split_of(folder.name) is not None:
                    continue
                for path in sorted(path for path in folder.rglob("*") if path.is_file()):
                    modality = modality_of(path)
                    if modality is None:
                        reading.left_out.append(LeftOut(str(path), f"{path.suffix or 'no suffix'} is no medium"))
                    elif name not in _CLASSES:
                        reading.left_out.append(
                            LeftOut(str(path), f"the label {folder.name!r} is neither real nor fake")
                        )
                    else:
                        reading.items.append(_item(path, modality, folder, split))
        return reading


def _item(path: Path, modality: Modality, folder: Path, split: SplitName | None) -> MediaItem:
    fake = folder.name.lower() == "fake"
    below = path.relative_to(folder).parts[:-1]
    return MediaItem(
        path=path,
        modality=modality,
        label="fake" if fake else "real",
        family=(below[0] if below else "fake") if fake else "camera",
        source=(folder.parent if split is None else folder.parent.parent).name,
        group=path.stem if split is None else f"{split}/{path.stem}",
        licence=_UNKNOWN,
        split=split,
    )


def _parts(place: Path) -> list[tuple[Path, SplitName | None]]:
    """Where class folders are looked for: in the folders of splits, and in the place itself."""
    if not place.is_dir():
        return []
    splits = [(folder, split_of(folder.name)) for folder in sorted(place.iterdir()) if folder.is_dir()]
    return [*((folder, split) for folder, split in splits if split is not None), (place, None)]


def _folders(place: Path) -> dict[str, Path]:
    return {folder.name.lower(): folder for folder in place.iterdir() if folder.is_dir()}
