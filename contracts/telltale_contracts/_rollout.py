"""rollout.yaml: which version of a detector answers; history.jsonl: who changed that, when and why."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from telltale_contracts._base import MOST_VERSION, Contract, GrownContract

Action = Literal["stage", "refuse", "shadow", "canary", "abort", "promote", "rollback", "pin", "drain", "retire"]


class TrafficShare(Contract):
    """A version that gets a share of the traffic beside the live one."""

    version: int = Field(ge=1, le=MOST_VERSION)
    percent: float = Field(gt=0.0, le=100.0)


class Rollout(GrownContract):
    """The desired state of one detector.

    ``live`` answers; where there is none yet, nobody does. ``candidates`` are loaded and checked beside it and get no
    traffic. ``next`` is the candidate that becomes live by itself once it has passed. While ``pinned``, no version
    becomes live but by a command.
    """

    live: int | None = Field(default=None, ge=1, le=MOST_VERSION)
    canary: TrafficShare | None = None
    shadow: TrafficShare | None = None
    previous: int | None = Field(default=None, ge=1, le=MOST_VERSION)
    candidates: tuple[int, ...] = ()
    next: int | None = Field(default=None, ge=1, le=MOST_VERSION)
    pinned: bool = False

    _LATER: ClassVar[frozenset[str]] = frozenset({"candidates", "next", "pinned"})

    @model_validator(mode="after")
    def _one_part_each(self) -> Self:
        if any(not 1 <= version <= MOST_VERSION for version in self.candidates):
            raise ValueError(f"a version's number is 1 or more, and {MOST_VERSION} at most")
        for part, share in (("canary", self.canary), ("shadow", self.shadow)):
            if share is not None and share.version == self.live:
                raise ValueError(f"version {share.version} is live and cannot be the {part} beside itself")
        if self.live is None and (self.canary or self.shadow):
            raise ValueError("there is no live version that a canary or a shadow could stand beside")
        return self

    def served(self) -> tuple[int, ...]:
        """The versions that a server must have loaded, lowest first."""
        beside = {share.version for share in (self.canary, self.shadow) if share is not None}
        live = set() if self.live is None else {self.live}
        return tuple(sorted(live | beside | set(self.candidates)))


class RolloutEvent(GrownContract):
    """One line of history.jsonl; ``sha256`` is the digest of the version's artefact and ``card_sha256`` that of its
    card.yaml, where they are known."""

    at: datetime
    who: str
    action: str
    version: int | None = None
    why: str
    percent: float | None = None
    sha256: str | None = None
    card_sha256: str | None = None

    _LATER: ClassVar[frozenset[str]] = frozenset({"percent", "sha256", "card_sha256"})

    def to_line(self) -> str:
        """The event as one line of JSON, its end included."""
        return self.model_dump_json(exclude=self.unset_later()) + "\n"
