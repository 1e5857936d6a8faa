"""Faults that nobody foresaw: each costs the step that it ended and no other, and is seen until that step goes well."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

_log = logging.getLogger(__name__)


class Troubles:
    """What is the matter, by what it is the matter with."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], str] = {}

    @property
    def found(self) -> Mapping[str, str]:
        """A sentence for each detector, server or folder that has one; GET /health shows them."""
        sentences: dict[str, list[str]] = {}
        for (subject, _), sentence in self._found.items():
            sentences.setdefault(subject, []).append(sentence)
        return {subject: " ".join(mine) for subject, mine in sentences.items()}

    def over(self, subject: str, step: str) -> str | None:
        """What ended a step when it was last tried; None where nothing did."""
        return self._found.get((subject, step))

    def keep(self, subjects: Collection[str]) -> None:
        """Forget what was the matter with whatever else there was: it is gone."""
        self._found = {key: sentence for key, sentence in self._found.items() if key[0] in subjects}

    @contextmanager
    def confined(self, subject: str, step: str) -> Iterator[None]:
        """Let a fault end this step alone; logged whole when it is new."""
        try:
            yield
        except Exception as error:
            sentence = f"{step} failed: {type(error).__name__}; the log says where."
            if self._found.get((subject, step)) != sentence:
                _log.exception("%s: %s failed", subject, step)
            self._found[subject, step] = sentence
        else:
            self._found.pop((subject, step), None)
