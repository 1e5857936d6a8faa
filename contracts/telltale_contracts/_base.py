"""What all contracts have in common: unknown words are refused, and a contract does not change once it is made."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

import yaml
from pydantic import BaseModel, ConfigDict

from telltale_contracts._yaml import read_yaml

# A version's number as the servers carry it: a signed integer of 64 bits.
MOST_VERSION = 2**63 - 1


class Contract(BaseModel):
    """An immutable message or document; reading one refuses fields that it does not know, NaN and infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, protected_namespaces=())

    @classmethod
    def from_yaml(cls, path: Path) -> Self:
        """Read one document from a YAML file.

        Raises:
            OSError: the file cannot be read.
            yaml.YAMLError: it is not YAML, or a key stands twice.
            pydantic.ValidationError: it is YAML, but not this contract.
        """
        return cls.model_validate(read_yaml(path.read_text(encoding="utf-8")))

    def to_yaml(self) -> str:
        """The document as YAML, fields in the order of their definition, unset optional fields left out."""
        return yaml.safe_dump(
            self.model_dump(mode="json", exclude_none=True), sort_keys=False, allow_unicode=True, width=110
        )


class GrownContract(Contract):
    """A contract that got fields after documents had been written.

    At their defaults the fields of ``_LATER`` are left out of documents, so that what somebody has written down stays
    byte for byte what it was.
    """

    _LATER: ClassVar[frozenset[str]] = frozenset()

    def unset_later(self) -> set[str]:
        """The later fields that are at their defaults."""
        return {name for name in self._LATER if getattr(self, name) == type(self).model_fields[name].default}

    def to_yaml(self) -> str:
        """As of every contract, later fields at their defaults left out."""
        document = self.model_dump(mode="json", exclude_none=True, exclude=self.unset_later())
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
