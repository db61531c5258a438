"""JSON to frozen dataclasses, leniently: unknown members are skipped, absent ones take their default."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Hashable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, cast

from posada_client.errors import UnexpectedAnswerError

Model = TypeVar("Model")


def decode(model: type[Model], data: object) -> Model:
    """A `model` made of a JSON object.

    Raises:
        UnexpectedAnswerError: not an object, or a member without a default is absent or of another kind.
    """
    if not isinstance(data, Mapping):
        raise UnexpectedAnswerError(f"{model.__name__} should be an object, not {type(data).__name__}.")
    hints = _hints(cast(Hashable, model))
    try:
        return model(**{name: _value(hints[name], data[name]) for name in hints if data.get(name) is not None})
    except (AttributeError, TypeError, ValueError) as error:
        raise UnexpectedAnswerError(f"{model.__name__} cannot be read: {error}.") from error


def encode(value: object) -> Any:
    """What JSON can say of a model, or of lists and mappings of models."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): encode(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [encode(each) for each in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value


@cache
def _hints(model: Hashable) -> dict[str, Any]:
    return typing.get_type_hints(cast(type, model))


def _value(hint: Any, value: Any) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _value(next(each for each in arguments if each is not types.NoneType), value)
    if origin is list:
        return [_value(arguments[0], each) for each in value]
    if origin is dict:
        return {name: _value(arguments[1], each) for name, each in value.items()}
    if hint is datetime:
        return datetime.fromisoformat(value)
    return decode(cast(type, hint), value) if dataclasses.is_dataclass(hint) else value
