"""A message's headers, parsed when they are first looked at. Parsing them takes half the time of a replay."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView
from typing import Any


class LazyHeaders(dict[str, str]):
    """A dict that fills itself from `Name: Value` lines on first use."""

    def __init__(self, raw: bytes) -> None:
        super().__init__()
        self._raw: bytes | None = raw

    def _fill(self) -> None:
        if self._raw is not None:
            lines = (line.partition(":") for line in self._raw.decode("utf-8", "replace").split("\r\n"))
            self._raw = None
            self.update((name.strip(), value.strip()) for name, colon, value in lines if colon)

    def __getitem__(self, name: str) -> str:
        self._fill()
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._fill()
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        self._fill()
        return super().__iter__()

    def __len__(self) -> int:
        self._fill()
        return super().__len__()

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or `default`."""
        self._fill()
        return super().get(name, default)

    def items(self) -> ItemsView[str, str]:  # type: ignore[override]
        """Names and values."""
        self._fill()
        return super().items()

    def keys(self) -> KeysView[str]:  # type: ignore[override]
        """Names."""
        self._fill()
        return super().keys()
