"""What is typed on the command line, as values."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from posada_client.cli.codes import Code, CommandError

#: Items that the API gives at once at most.
LARGEST_PAGE = 200


def labels(pairs: Iterable[str]) -> dict[str, str]:
    """`k=v` pairs as a mapping. Raises CommandError."""
    split = [pair.partition("=") for pair in pairs]
    for name, equals, _ in split:
        if not name or not equals:
            raise CommandError(Code.USAGE, f"{name!r} should be written as name=value.")
    return {name: value for name, _, value in split}


def params(pairs: Iterable[str]) -> dict[str, Any]:
    """`k=v` pairs; a value that is JSON becomes what it says (`limit=50` a number), any other stays text."""
    return {name: _typed(value) for name, value in labels(pairs).items()}


def json_from(source: str) -> Any:
    """The JSON in a file, or on stdin for `-`. Raises CommandError."""
    try:
        return json.loads(sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise CommandError(Code.INVALID, f"{source} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise CommandError(Code.INVALID, f"{source} is not JSON.") from error


def _typed(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value
