"""What of a version's card is still true once the version is calibrated anew."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from telltale_contracts import Measurement, Medium, VersionCard

# Limits are sentences for people; these words tell that one was found at a calibration or a threshold.
_CALIBRATED = re.compile(r"calibrat|threshold|false alarm|probabilit|log loss|takes .* for generated", re.IGNORECASE)
_LOG_LOSS = "log loss"
FOREIGN_UNMEASURED = (
    "Never measured: the weights are somebody else's, and what they are worth on which media is not known here. The "
    "gateway shows no score of a version that was not measured."
)
FOREIGN_MEASURED = (
    "The weights are somebody else's: whether they were trained on any of the media that they were measured on is not "
    "known here."
)


@dataclass(frozen=True)
class Carried:
    """The parts of the old card that the new one takes over; ``said`` has what was left behind, for people."""

    trained_alike: tuple[Measurement, ...]
    limits: tuple[str, ...]
    excluded: dict[Medium, str]
    said: tuple[str, ...]


def carried_over(card: VersionCard, measured: Sequence[Measurement]) -> Carried:
    """Take over what does not depend on the calibration; what does goes, or stands as it was measured now.

    Figures of ranking (AUC, EER) stay, for a calibration rises with the raw score. An excluded medium stays excluded,
    whatever the new figures are: to calibrate is not to decide that.

    Args:
        card: the version's that was calibrated anew.
        measured: the figures at the new calibration.
    """
    kept = (limit for limit in card.limits if not _CALIBRATED.search(limit))
    limits = tuple(FOREIGN_MEASURED if limit == FOREIGN_UNMEASURED else limit for limit in kept)
    gone = [limit for limit in card.limits if _CALIBRATED.search(limit)]
    excluded = {medium: _excluded(card.version, medium, measured) for medium in card.excluded}
    return Carried(
        trained_alike=tuple(_of_ranking(card.trained_alike)),
        limits=limits,
        excluded=excluded,
        said=(
            *(f"no longer in the card, it speaks of the old calibration: {limit}" for limit in gone),
            *(f"still does not vote on {medium}: {why}" for medium, why in excluded.items()),
            *_lost(card, measured),
        ),
    )


def _of_ranking(rows: Sequence[Measurement]) -> Iterator[Measurement]:
    for row in rows:
        if row.auc is not None or row.eer is not None:
            note = None if row.note is not None and row.note.startswith(_LOG_LOSS) else row.note
            yield row.model_copy(update={"false_alarm_rate": None, "note": note})


def _excluded(version: int, medium: Medium, measured: Sequence[Measurement]) -> str:
    why = f"version {version}, calibrated otherwise, was tried on it and excluded"
    anew = next((row for row in measured if row.medium == medium and row.eer is not None), None)
    if anew is None or anew.eer is None:
        return f"{why}; it was not measured anew"
    alarms = "" if anew.false_alarm_rate is None else f", {anew.false_alarm_rate.value:.0%} false alarms"
    return f"{why}; at this calibration, EER {anew.eer.value:.2f}{alarms} on {anew.split}"


def _lost(card: VersionCard, measured: Sequence[Measurement]) -> Iterator[str]:
    now = {row.medium for row in measured if row.auc is not None}
    for medium in dict.fromkeys(row.medium for row in card.measured if row.auc is not None):
        if medium not in now and medium not in card.excluded:
            yield (
                f"version {card.version} was measured on {medium}, and these data have too little of it: what is "
                f"published now does not vote on {medium}"
            )
