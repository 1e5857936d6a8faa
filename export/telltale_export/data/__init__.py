"""What detectors learn from: labelled media, and how its groups are divided."""

from telltale_export.data.labels import LABELS_FILE, Label, MediaItem, Modality, read_labels
from telltale_export.data.splits import SPLITS, Shares, Split, SplitName, split_by_group

__all__ = [
    "LABELS_FILE",
    "SPLITS",
    "Label",
    "MediaItem",
    "Modality",
    "Shares",
    "Split",
    "SplitName",
    "read_labels",
    "split_by_group",
]
