"""Turn a model's raw P(fake) into a probability that means what it says."""

from telltale_export.calibration.fitting import (
    METHODS,
    Method,
    apply_calibration,
    fit,
    fit_platt,
    logit,
)

__all__ = ["METHODS", "Method", "apply_calibration", "fit", "fit_platt", "logit"]
