"""What a detector is worth: figures with intervals, by family, the worst one named."""

from telltale_export.evaluation.families import ALL_FAMILIES, ScoredSet, Terms, measure, table, worst_family
from telltale_export.evaluation.metrics import area_under_roc, bootstrap_interval, equal_error_rate

__all__ = [
    "ALL_FAMILIES",
    "ScoredSet",
    "Terms",
    "area_under_roc",
    "bootstrap_interval",
    "equal_error_rate",
    "measure",
    "table",
    "worst_family",
]
