"""What all contracts have in common: unknown words are refused, and a contract does not change once it is made."""

from __future__ import annotations

from pathlib import Path
from typing import Self

import yaml
from pydantic import BaseModel, ConfigDict


class Contract(BaseModel):
    """An immutable message or document; reading one refuses fields that it does not know, NaN and infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())

    @classmethod
    def from_yaml(cls, path: Path) -> Self:
        """Read one document from a YAML file.

        Raises:
            OSError: the file cannot be read.
            yaml.YAMLError: it is not YAML.
            pydantic.ValidationError: it is YAML, but not this contract.
        """
        return cls.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))

    def to_yaml(self) -> str:
        """The document as YAML, fields in the order of their definition, unset optional fields left out."""
        return yaml.safe_dump(
            self.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True, width=110
        )
