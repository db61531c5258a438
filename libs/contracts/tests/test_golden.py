"""A message's shape is frozen: what was said yesterday can be read tomorrow."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

CHANGED = "the shape has changed: declare a new vN, with an upcaster beside the old one"


def _golden() -> ModuleType:
    """The module beside this one; tests are no packages, so it is loaded by its path."""
    spec = importlib.util.spec_from_file_location("golden_files", Path(__file__).parent / "golden_files.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


golden = _golden()


@pytest.mark.parametrize("name", sorted(golden.messages()))
def test_a_message_keeps_its_shape(name: str) -> None:
    cls, path = golden.messages()[name], golden.file_of(name)
    assert path.exists(), f"{name} has no golden file: `python {golden.__file__}` writes it"
    assert golden.frozen(cls) == json.loads(path.read_text()), f"{name}: {CHANGED}"


@pytest.mark.parametrize("name", sorted(golden.messages()))
def test_what_was_written_is_read_and_written_the_same(name: str) -> None:
    cls = golden.messages()[name]
    stored = json.loads(golden.file_of(name).read_text())["sample"]
    read = msgspec.json.decode(json.dumps(stored), type=cls)
    assert json.loads(msgspec.json.encode(read)) == stored


def test_no_golden_file_is_left_of_a_message_that_is_gone() -> None:
    known = {golden.file_of(name).name for name in golden.messages()}
    assert {path.name for path in golden.FOLDER.iterdir()} == known
