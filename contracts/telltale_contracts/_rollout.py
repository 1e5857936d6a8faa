"""rollout.yaml: which version of a detector answers; history.jsonl: who changed that, when and why."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from telltale_contracts._base import Contract


class TrafficShare(Contract):
    """A version that gets a share of the traffic beside the live one."""

    version: int = Field(ge=1)
    percent: float = Field(gt=0.0, le=100.0)


class Rollout(Contract):
    """The desired state of one detector."""

    live: int = Field(ge=1)
    canary: TrafficShare | None = None
    shadow: TrafficShare | None = None
    previous: int | None = Field(default=None, ge=1)

    def served(self) -> tuple[int, ...]:
        """The versions that a server must have loaded, lowest first."""
        beside = [share.version for share in (self.canary, self.shadow) if share is not None]
        return tuple(sorted({self.live, *beside}))


class RolloutEvent(Contract):
    """One line of history.jsonl."""

    at: datetime
    who: str
    action: str
    version: int | None = None
    why: str
