"""What an operator can ask for, and what came of it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

OrderAction = Literal["stage", "shadow", "canary", "promote", "rollback", "pin", "drain"]


class Order(BaseModel):
    """A change of which version answers.

    ``version`` is needed by all but stage and rollback, ``percent`` by shadow and canary (0 ends it), ``path`` by
    stage: a version's folder below the gateway's staging root.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    action: OrderAction
    version: int | None = Field(default=None, ge=1)
    percent: float | None = Field(default=None, ge=0.0, le=100.0)
    path: str | None = Field(default=None, max_length=4096)
    why: str = Field(default="", max_length=500)
    who: str = Field(default="", max_length=80, description="a name for the history; whence the order came is added")
    wait: bool = Field(default=False, description="answer when it is done, rather than when it is taken")


class Receipt(BaseModel):
    """What was done, and what happens next."""

    detector: str
    action: OrderAction
    version: int | None
    done: str
    next: str
