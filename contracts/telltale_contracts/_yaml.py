"""YAML as people write it by hand: a key that stands twice is a slip, not a choice."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

# What PyYAML lets through, beside its own errors, over text that is nested too deeply, a number that is too long, or a
# tag that its value does not fit.
_STUMBLES = (RecursionError, ValueError, LookupError, AttributeError, TypeError)
_MERGE = "tag:yaml.org,2002:merge"


class _Careful(yaml.SafeLoader):
    """Refuses what YAML 1.2 forbids and PyYAML lets pass: two values of one key, of which the last would win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):
                if key in seen:
                    raise yaml.constructor.ConstructorError(None, None, f"{key!r} stands twice", key_node.start_mark)
                seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(text: str | bytes) -> Any:
    """The document in ``text``.

    Raises:
        yaml.YAMLError: it is not YAML, holds a tag that is not YAML's own, or a key stands twice in a mapping.
    """
    try:
        return yaml.load(text, _Careful)  # noqa: S506 - it is a SafeLoader
    except _STUMBLES as error:
        raise yaml.YAMLError(f"{type(error).__name__}: {error}") from error
