"""The layouts in which people have their data, all giving the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from telltale_export.data.layouts.asvspoof import AsvSpoof
from telltale_export.data.layouts.celeb_df import CelebDf
from telltale_export.data.layouts.dfdc import Dfdc
from telltale_export.data.layouts.faceforensics import FaceForensics
from telltale_export.data.layouts.labels_csv import LABELS_FILE, LabelsCsv, write_labels
from telltale_export.data.layouts.reading import Layout, LeftOut, Reading
from telltale_export.data.layouts.real_fake import RealFake
from telltale_export.errors import DataError

__all__ = ["LABELS_FILE", "LAYOUT_NAMES", "LayoutName", "LeftOut", "Reading", "layout_of", "layouts", "write_labels"]


LayoutName = Literal["labels.csv", "faceforensics", "celeb-df", "asvspoof", "dfdc", "real-fake"]
LAYOUT_NAMES: tuple[LayoutName, ...] = get_args(LayoutName)


def layouts() -> dict[LayoutName, Layout]:
    """Every layout by its name, in the order in which they are looked for: a list says more than folders do."""
    return {
        "labels.csv": LabelsCsv(),
        "faceforensics": FaceForensics(),
        "celeb-df": CelebDf(),
        "asvspoof": AsvSpoof(),
        "dfdc": Dfdc(),
        "real-fake": RealFake(),
    }


def layout_of(place: Path) -> LayoutName:
    """Which layout a place has.

    Raises:
        DataError: none that is known.
    """
    for name, layout in layouts().items():
        if layout.found(place):
            return name
    raise DataError(
        f"{place} is no data set of a known layout ({', '.join(LAYOUT_NAMES)}).",
        "Give the folder that holds labels.csv, real/ and fake/, or what the data set's own download makes.",
    )
