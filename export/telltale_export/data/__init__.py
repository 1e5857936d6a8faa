"""What detectors learn from: labelled media, and how its groups are divided."""

from telltale_export.data.checks import groups_in_several_splits, require_apart, require_both_classes
from telltale_export.data.dataset import Dataset, read_dataset
from telltale_export.data.items import SPLITS, Label, MediaItem, Modality, SplitName
from telltale_export.data.layouts import LayoutName, LeftOut, write_labels
from telltale_export.data.splits import Shares, Split, split_by_group

__all__ = [
    "SPLITS",
    "Dataset",
    "Label",
    "LayoutName",
    "LeftOut",
    "MediaItem",
    "Modality",
    "Shares",
    "Split",
    "SplitName",
    "groups_in_several_splits",
    "read_dataset",
    "require_apart",
    "require_both_classes",
    "split_by_group",
    "write_labels",
]
