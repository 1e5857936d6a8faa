"""The private pool in which our descriptors live.

TensorFlow registers messages of the same full names in protobuf's default pool, which refuses a second definition.
In a pool of their own ours can be in one process with TensorFlow, and need none of it where it is not.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message_factory import GetMessageClass


@cache
def pool() -> DescriptorPool:
    """The pool, filled from descriptors.binpb when it is first asked for."""
    files = FileDescriptorSet.FromString((Path(__file__).parent / "descriptors.binpb").read_bytes())
    private = DescriptorPool()
    for file in files.file:
        private.Add(file)
    return private


def message_class(full_name: str) -> Any:
    """The class of one message, for example ``tensorflow.TensorProto``.

    Raises:
        KeyError: there is no such message.
    """
    return GetMessageClass(pool().FindMessageTypeByName(full_name))


def enum(full_name: str) -> Any:
    """One enum, for example ``tensorflow.DataType``; its values are its attributes.

    Raises:
        KeyError: there is no such enum.
    """
    return EnumTypeWrapper(pool().FindEnumTypeByName(full_name))
