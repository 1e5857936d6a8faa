"""Somebody who has proved who they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Scope = Literal["analyse", "operate"]
SCOPES: tuple[Scope, ...] = get_args(Scope)


@dataclass(frozen=True)
class Caller:
    """``name`` is fit for logs and histories: a key's prefix or a token's subject, never the secret itself."""

    name: str
    scopes: frozenset[Scope]
    requests_per_minute: int
