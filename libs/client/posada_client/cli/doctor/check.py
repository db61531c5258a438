"""What a check says."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["ok", "warn", "missing"]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at. `missing` is what Posada cannot do without."""

    name: str
    level: Level
    found: str
    means: str = ""  #: what it means for Posada
    fix: str = ""  #: what to do about it


def first_executable(candidates: list[Path]) -> Path | None:
    """The first of `candidates` that may be run."""
    return next((each for each in candidates if each.is_file() and shutil.which(str(each))), None)


def on_path(*names: str) -> list[Path]:
    """Where these programs are on PATH, those that are."""
    return [Path(found) for name in names if (found := shutil.which(name))]
