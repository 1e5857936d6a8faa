"""ASVspoof 2019, 2021 and 5: protocol files, one utterance a line, columns divided by spaces.

    LA_0079 LA_T_1138215 - - bonafide                                        2019
    LA_0009 LA_E_9332881 alaw ita_tx A07 spoof notrim eval                   2021
    T_4850 T_0000000022 F - - - AC3 A05 spoof -                              5

In all of them the speaker comes first and the utterance second, the key is ``bonafide`` or ``spoof``, and the attack
stands before it. The speaker is the group, the attack the family. The split is in the file's name (train, dev, eval) or
behind the key (progress and eval are for testing). Sounds are looked for by name anywhere below. The files of track 2
of ASVspoof 5, which is of who speaks, are other lists of the same sounds.
"""

from __future__ import annotations

from pathlib import Path

from telltale_export.data.items import MediaItem, SplitName, modality_of, split_of
from telltale_export.data.layouts.reading import LeftOut, Reading, lines_of, refuse_wrong_labels

_PATTERNS = ("*.cm.*.txt", "trial_metadata.txt", "ASVspoof5.*.tsv", "ASVspoof5.*.txt")
_OTHER_TRACK = ".track_2."
_KEYS = ("bonafide", "spoof")
_LICENCE = "ASVspoof terms of use"


class AsvSpoof:
    """Protocol files and sounds below one folder."""

    def found(self, place: Path) -> bool:
        """Whether there is a protocol file."""
        return bool(_protocols(place))

    def read(self, place: Path) -> Reading:
        """Every utterance of every protocol whose sound is there.

        Raises:
            DataError: a protocol is not text, or a line of it has neither key.
        """
        reading = Reading()
        sounds = {path.stem: path for path in sorted(place.rglob("*")) if modality_of(path) == "audio"}
        for protocol in _protocols(place):
            lines = [line.split() for line in lines_of(protocol) if line.strip()]
            refuse_wrong_labels(
                protocol,
                [
                    f"line {number}: {' '.join(columns)!r} has neither bonafide nor spoof"
                    for number, columns in enumerate(lines, start=1)
                    if _key(columns) is None
                ],
            )
            for columns in lines:
                _add(reading, columns, protocol, sounds)
        return reading


def _add(reading: Reading, columns: list[str], protocol: Path, sounds: dict[str, Path]) -> None:
    key = _key(columns)
    path = sounds.get(columns[1])
    if key is None or path is None:
        reading.left_out.append(LeftOut(columns[1], "in the protocol, but its sound is not there"))
        return
    fake = columns[key] == "spoof"
    reading.items.append(
        MediaItem(
            path=path,
            modality="audio",
            label="fake" if fake else "real",
            family=columns[key - 1] if fake else "bonafide",
            source=_source(protocol, columns),
            group=columns[0],
            licence=_LICENCE,
            split=_split(protocol, columns[key + 1 :]),
        )
    )


def _protocols(place: Path) -> list[Path]:
    found = {path for pattern in _PATTERNS for path in place.rglob(pattern)} if place.is_dir() else set()
    return sorted(path for path in found if _OTHER_TRACK not in path.name)


def _key(columns: list[str]) -> int | None:
    return next((index for index, column in enumerate(columns) if index >= 3 and column in _KEYS), None)


def _source(protocol: Path, columns: list[str]) -> str:
    stem = protocol.name.partition(".cm.")[0] if ".cm." in protocol.name else protocol.name.partition(".")[0]
    # The keys of 2021 are all named alike; the utterance says which task it is of.
    return f"ASVspoof2021.{columns[1].partition('_')[0]}" if stem == "trial_metadata" else stem


def _split(protocol: Path, behind: list[str]) -> SplitName | None:
    words = [*protocol.name.split("."), *behind]
    return next((split for word in words if (split := split_of("eval" if word == "progress" else word))), None)
