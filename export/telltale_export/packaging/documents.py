"""Read a repository's documents, or say in a sentence why one cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError
from telltale_contracts import DetectorManifest, Rollout, VersionCard

from telltale_export.errors import PackagingError

Document = TypeVar("Document", DetectorManifest, Rollout, VersionCard)


def read_document(kind: type[Document], path: Path) -> Document:
    """A manifest, card or rollout.

    Raises:
        PackagingError: the file cannot be read, is no YAML, or is not what such a document holds.
    """
    try:
        return kind.from_yaml(path)
    except ValidationError as error:
        places = (".".join(map(str, problem["loc"])) or "the document" for problem in error.errors())
        wrong = "; ".join(f"{place}: {problem['msg']}" for place, problem in zip(places, error.errors(), strict=True))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        wrong = (str(error).splitlines() or [type(error).__name__])[0]
    raise PackagingError(f"{path} cannot be read: {wrong}.", "Put back the file that was published.")
