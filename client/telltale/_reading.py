"""Answers as dataclasses. What a newer gateway adds is left out; what an answer must have and lacks is an error."""

from __future__ import annotations

import types
import typing
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar

T = TypeVar("T")


class UnexpectedAnswer(Exception):
    """The answer is not of the shape that this version of the client knows."""


def read(kind: type[T], answer: Any) -> T:
    """An answer as one of the types that answers have.

    Raises:
        UnexpectedAnswer: it lacks something that the type must have.
    """
    if not isinstance(answer, dict):
        raise UnexpectedAnswer(
            f"{kind.__name__} should be an object, and is {type(answer).__name__}: no Telltale gateway answers so."
        )
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for each in fields(kind):  # type: ignore[arg-type]  # every kind is a dataclass
        if each.name == "raw":
            values["raw"] = answer
        elif each.name in answer:
            values[each.name] = _value(hints[each.name], answer[each.name])
        elif each.default is MISSING:
            raise UnexpectedAnswer(
                f"{kind.__name__} lacks {each.name}: no Telltale gateway answers so, but one older than this client."
            )
    return kind(**values)


def _value(hint: Any, value: Any) -> Any:
    """A value of an answer as its type wants it: objects as dataclasses, arrays as tuples."""
    arguments = typing.get_args(hint)
    if isinstance(hint, types.UnionType):
        return None if value is None else _value(arguments[0], value)
    if is_dataclass(hint) and isinstance(hint, type):
        return read(hint, value)
    if typing.get_origin(hint) is tuple and isinstance(value, list):
        return tuple(_value(arguments[0], item) for item in value)
    if typing.get_origin(hint) is not Literal and len(arguments) == 2 and isinstance(value, dict):
        return {key: _value(arguments[1], item) for key, item in value.items()}
    return value
