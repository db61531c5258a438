"""Directories of our own, and a look at which processes still work in them."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

Processes = Callable[[], list[psutil.Process]]


@pytest.fixture
def house() -> Iterator[Path]:
    """A directory with a blank in its name which everybody can pass: pytest's own are closed to other users."""
    path = Path(tempfile.mkdtemp(prefix="posada house "))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def processes(house: Path) -> Processes:
    """The processes that work below the house right now."""

    def below(process: psutil.Process) -> bool:
        try:
            return process.cwd().startswith(str(house))
        except psutil.Error:
            return False

    return lambda: [each for each in psutil.process_iter() if below(each)]
