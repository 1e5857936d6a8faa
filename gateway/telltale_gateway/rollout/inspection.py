"""Version folders, each read whole once it has come to rest, aside: however large one is, it holds up no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from telltale_contracts import CARD_FILE, DetectorManifest

from telltale_gateway.rollout.history import History
from telltale_gateway.rollout.releases import (
    Fixed,
    Footprint,
    IncompleteVersion,
    Release,
    Seal,
    UnreadVersion,
    UnsoundVersion,
    check_card,
    footprint,
    read_release,
    sentence,
)

# How long what is loaded of a folder that is gone is kept, and what is known of it: it may only have been moved, or its
# disk be mounted again.
RETURN_S = 30.0

_Key = tuple[str, int]
_Read = Release | IncompleteVersion | UnsoundVersion


@dataclass
class _Sighting:
    """A folder as it was when it last changed, what reading it gives, and what it was last known as.

    ``judged``: what is wrong with it has been said, and is not taken back before it changes.
    """

    found: Footprint
    since: float
    known: Seal | None
    reading: Future[_Read] | None = None
    judged: bool = False


@dataclass(frozen=True)
class _Card:
    """A card as it was when it last changed, what it was compared with, and what came of that."""

    stamp: tuple[int, int]
    since: float
    fixed: Fixed
    wrong: str | None


class Inspector:
    """Looks at version folders again and again, and reads what has not changed only once.

    ``settle_s``: seconds for which nothing of a folder must have changed before bytes that differ from its card's
    count as wrong rather than as still being copied. ``patience_s``: seconds that all folders together are waited for
    between two calls of ``begin``.
    """

    def __init__(self, settle_s: float, patience_s: float) -> None:
        self._settle_s = settle_s
        self._patience_s = patience_s
        self._until = 0.0
        self._seen: dict[_Key, _Sighting] = {}
        self._away: dict[_Key, tuple[float, _Sighting]] = {}
        self._reading: dict[_Key, Future[_Read]] = {}
        self._first: dict[_Key, Fixed] = {}
        self._cards: dict[_Key, _Card] = {}

    def begin(self) -> None:
        """Another look at all folders begins."""
        self._until = time.monotonic() + self._patience_s

    def release(
        self, place: Path, manifest: DetectorManifest, version: int, history: History, *, in_use: bool
    ) -> Release:
        """A version that is sound; one that is ``in_use`` is not waited for to come to rest.

        While one that was sound is read again it is what it was.

        Raises:
            IncompleteVersion: it is not all there, or has not been read yet.
            UnsoundVersion: it is not what its card says, or its number stands for something else.
        """
        key = (manifest.name, version)
        try:
            found = footprint(place)
        except OSError as error:
            raise IncompleteVersion(sentence(error)) from error
        seen = self._seen.get(key) or self._returned(key, found)
        if seen is None or seen.found != found:
            # One that was at rest has been looked at for longer, by its card.
            card = self._cards.pop(key, None)
            since = time.monotonic() if card is None else card.since
            seen = self._seen[key] = _Sighting(found, since, seen.known if seen else None)
            if not in_use and card is None:
                raise IncompleteVersion("it was just changed")
        if seen.reading is None and key not in self._reading:
            fixed = self._fixed(key, history)
            seen.reading = self._start(key, lambda: read_release(place, manifest, version, fixed))
        result = self._result(seen)
        if isinstance(result, Release):
            if seen.known is None or seen.known.release is not result:
                seen.known = Seal(place, manifest, result, seen.found)
            self._first.setdefault(key, Fixed(result.sha256, result.card_sha256))
            return result
        if isinstance(result, UnsoundVersion):
            seen.judged = seen.judged or in_use or self._settled(seen.since)
            raise _wrong(str(result), judged=seen.judged)
        if isinstance(result, IncompleteVersion):
            raise IncompleteVersion(str(result))
        if seen.known is not None and in_use:
            return seen.known.release
        raise UnreadVersion("its files are being read and compared with its card")

    def check_at_rest(self, place: Path, manifest: DetectorManifest, version: int, history: History) -> None:
        """A version that was taken in once and has no part: by its card alone, whether it is still that one.

        Raises:
            IncompleteVersion: it has no card, or one that was just changed.
            UnsoundVersion: it is another one.
        """
        key, fixed = (manifest.name, version), history.fixed(version)
        try:
            status = (place / CARD_FILE).stat()
        except OSError as error:
            raise IncompleteVersion(sentence(error)) from error
        stamp = (status.st_size, status.st_mtime_ns)
        card = self._cards.get(key)
        if card is None or (card.stamp, card.fixed) != (stamp, fixed):
            since = card.since if card is not None and card.stamp == stamp else time.monotonic()
            wrong = None
            try:
                check_card(place, manifest, version, fixed)
            except UnsoundVersion as error:
                wrong = str(error)
            card = self._cards[key] = _Card(stamp, since, fixed, wrong)
        if card.wrong is not None:
            raise _wrong(card.wrong, judged=self._settled(card.since))

    def seal(self, key: _Key) -> Seal | None:
        """A folder's files as they were last read and found sound; None where they never were."""
        seen = self._seen.get(key)
        return seen.known if seen is not None else None

    def forget(self, there: AbstractSet[_Key]) -> None:
        """Only these folders are there; what was first read of a number is remembered all the same, and for a while
        what was sound."""
        now = time.monotonic()
        self._away = {key: away for key, away in self._away.items() if now - away[0] < RETURN_S and key not in there}
        gone = {key: seen for key, seen in self._seen.items() if key not in there and seen.known is not None}
        self._away.update({key: (now, seen) for key, seen in gone.items()})
        self._seen = {key: seen for key, seen in self._seen.items() if key in there}
        self._cards = {key: card for key, card in self._cards.items() if key in there}

    def _returned(self, key: _Key, found: Footprint) -> _Sighting | None:
        """A folder that was away for a while, and whose files are those that were read before."""
        _, seen = self._away.pop(key, (0.0, None))
        if seen is None or seen.found != found:
            return None
        self._seen[key] = seen
        return seen

    def _result(self, seen: _Sighting) -> _Read | None:
        """What reading a folder gave; None while it goes on, or goes on of what the folder was before."""
        if seen.reading is None:
            return None
        try:
            return seen.reading.result(timeout=max(0.0, self._until - time.monotonic()))
        except TimeoutError:
            return None

    def _settled(self, since: float) -> bool:
        return time.monotonic() - since >= self._settle_s

    def _fixed(self, key: _Key, history: History) -> Fixed:
        written, first = history.fixed(key[1]), self._first.get(key, Fixed())
        return Fixed(written.sha256 or first.sha256, written.card_sha256 or first.card_sha256)

    def _start(self, key: _Key, read: Callable[[], Release]) -> Future[_Read]:
        future: Future[_Read] = Future()

        def run() -> None:
            try:
                result: _Read = read()
            except (IncompleteVersion, UnsoundVersion) as error:
                result = error
            except BaseException as error:
                # Whoever asks for the result gets it.
                future.set_exception(error)
                return
            finally:
                del self._reading[key]
            future.set_result(result)

        self._reading[key] = future
        # Of its own, and a daemon: no folder waits for another, and no gateway that stops waits for a folder.
        threading.Thread(target=run, name=f"reading {key[0]} {key[1]}", daemon=True).start()
        return future


def _wrong(why: str, *, judged: bool) -> UnsoundVersion | IncompleteVersion:
    return UnsoundVersion(why) if judged else IncompleteVersion(f"{why}, and it was changed a moment ago")
