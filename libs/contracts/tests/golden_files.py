"""Golden files: a message's shape and one sample of it, made from its types alone, so always the same."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect
from posada_contracts.messages import EVENTS, REQUESTS

FOLDER = Path(__file__).parent / "golden"
MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def messages() -> dict[str, type[Any]]:
    """Every message that the package declares, by its type or subject."""
    declared = {**EVENTS, **REQUESTS}
    return {name: cls for name, cls in declared.items() if cls.__module__.startswith("posada_contracts.")}


def file_of(name: str) -> Path:
    return FOLDER / f"{name.replace('{', '').replace('}', '')}.json"


def frozen(cls: type[Any]) -> dict[str, Any]:
    """What the golden file of a message holds: its shape, its answer's shape, one sample."""
    (shape,), components = msgspec.json.schema_components([cls])
    document = {"shape": shape, "parts": components, "sample": json.loads(msgspec.json.encode(sample(cls)))}
    if hasattr(cls, "REPLY"):
        (reply,), parts = msgspec.json.schema_components([cls.REPLY])
        document["reply"] = {"shape": reply, "parts": parts}
    return document


def sample(type_: Any) -> Any:
    """A value of `type_`."""
    return msgspec.convert(_builtin(inspect.type_info(type_)), type_)


def _builtin(info: inspect.Type) -> Any:
    match info:
        case inspect.DataclassType():
            return {field.encode_name: _builtin(field.type) for field in info.fields}
        case inspect.UnionType():
            return _builtin(next(each for each in info.types if not isinstance(each, inspect.NoneType)))
        case inspect.ListType():
            return [_builtin(info.item_type)]
        case inspect.DictType():
            return {"key": _builtin(info.value_type)}
        case inspect.LiteralType():
            return info.values[0]
        case inspect.DateTimeType():
            return MOMENT
        case inspect.BoolType():
            return True
        case inspect.IntType():
            return 7
        case inspect.FloatType():
            return 1.5
        case inspect.BytesType():
            return "dGV4dA=="
        case inspect.StrType() | inspect.AnyType():
            return "text"
        case _:
            raise TypeError(f"no sample for {info}")


def write_all() -> None:
    """Write every file anew: for a message that is new, never to make a test pass that says a shape has changed."""
    FOLDER.mkdir(exist_ok=True)
    for name, cls in messages().items():
        file_of(name).write_text(json.dumps(frozen(cls), indent=1, sort_keys=True, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    write_all()
