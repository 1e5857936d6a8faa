"""YAML as people write it by hand: a key that stands twice is a slip, not a choice."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml


class _Careful(yaml.SafeLoader):
    """Refuses what YAML 1.2 forbids and PyYAML lets pass: two values of one key, of which the last would win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name is not None and name in seen:
                raise yaml.constructor.ConstructorError(
                    "while reading a mapping", node.start_mark, f"{name!r} stands twice", key.start_mark
                )
            seen.add(name)
        return super().construct_mapping(node, deep)


def read_yaml(text: str | bytes) -> Any:
    """The document in ``text``.

    Raises:
        yaml.YAMLError: it is not YAML, holds a tag that is not YAML's own, or a key stands twice in a mapping.
    """
    return yaml.load(text, _Careful)  # noqa: S506 - it is a SafeLoader
