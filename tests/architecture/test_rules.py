"""The house rules that neither the linter nor import-linter can see."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [*ROOT.glob("libs/*/posada_*"), *ROOT.glob("services/*/posada_*"), *ROOT.glob("deploy/*/posada_*")]
SERVICES = [path for path in ROOT.glob("services/*/posada_*") if path.is_dir()]
LONGEST_FILE, LONGEST_FUNCTION = 320, 45
LONGEST_SLEEP_S = 1
"""In a test: whoever waits for a state looks at the state."""


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.splitlines() if (path := ROOT / name).is_file()]


def _sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in package.rglob("*.py"))


def _parsed() -> Iterator[tuple[Path, ast.Module]]:
    for path in _sources():
        yield path, ast.parse(path.read_text())


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_subjects_are_spelled_in_contracts_alone() -> None:
    spelled = [
        f"{_name(path)}:{node.lineno} {node.value!r}"
        for path, tree in _parsed()
        if not {"posada_contracts", "posada_testkit"} & set(path.parts)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.match(r"(evt|cmd|qry)\.", node.value)
    ]
    assert not spelled


def test_every_module_class_and_public_function_says_what_it_is() -> None:
    silent = [
        f"{_name(path)}:{getattr(node, 'lineno', 1)} {getattr(node, 'name', 'module')}"
        for path, tree in _parsed()
        if "playground" not in path.parts  # a stand-in for somebody else's site, not an interface
        for node in _public(tree)
        if not ast.get_docstring(node)
    ]
    assert not silent, "\n".join(silent)


def _public(tree: ast.Module) -> Iterator[ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Modules, public classes at the top, public functions at the top and public methods of those classes."""
    yield tree
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        if not any(isinstance(each, ast.Name) and each.id == "overload" for each in node.decorator_list):
            yield node


def test_files_and_functions_are_short() -> None:
    long = [f"{_name(path)} ({n})" for path in _sources() if (n := path.read_text().count("\n")) > LONGEST_FILE]
    for path, tree in _parsed():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                long += [f"{_name(path)}:{node.lineno} {node.name} ({lines})"] if lines > LONGEST_FUNCTION else []
    assert not long, "\n".join(long)


def test_there_is_no_room_for_odds_and_ends() -> None:
    assert not [_name(path) for path in _sources() if path.stem in {"utils", "helpers", "misc", "common"}]


def test_decisions_are_made_of_contracts_and_the_standard_library() -> None:
    known = {"posada_contracts", "eventsourcing"} | set(sys.stdlib_module_names)
    foreign = [
        f"{_name(path)}: {imported}"
        for path, tree in _parsed()
        if "domain" in (path.stem, path.parent.name)
        for imported in _imported(tree)
        if imported.partition(".")[0] not in known and ".domain" not in imported
    ]
    assert not foreign


def _imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def test_no_test_sleeps_and_hopes() -> None:
    sleeps = [
        f"{_name(path)}:{node.lineno}"
        for path in _tracked()
        if path.suffix == ".py" and "tests" in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("sleep") and node.args
        if isinstance(seconds := node.args[0], ast.Constant) and float(str(seconds.value)) > LONGEST_SLEEP_S
    ]
    assert not sleeps


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_every_service_has_the_same_front_door(service: Path) -> None:
    assert (service / "__main__.py").exists()
    assert (service / "settings.py").exists()
    assert (service / "__main__.py").read_text().count("\n") < 80


def test_nothing_of_this_machine_and_no_secret_is_committed() -> None:
    patterns = {
        "a package registry": rb"https?://[^\s\"']*(/simple\b|/packages/[0-9a-f]{2}/|registry\.)",
        "a secret": rb"\b(sk-[A-Za-z0-9]{20,}|AKIA[0-9A-Z]{16}|psd_[0-9a-f]{32}_[A-Za-z0-9_-]{20,})",
        "a private key": rb"-----BEGIN [A-Z ]*PRIVATE KEY",
        "a token of some service": rb"\b(gh[pousr]_[A-Za-z0-9]{30,}|xox[baprs]-[A-Za-z0-9-]{10,})",
        **({"a path of this machine": re.escape(str(ROOT)).encode() + rb"\b"} if len(ROOT.parts) > 2 else {}),
        "somebody's home": rb"/(home|Users)/(?!posada\b)[a-z][\w.-]*/|/root/\w",
    }
    found = [
        f"{_name(path)}: {what}"
        for path in _tracked()
        for what, pattern in patterns.items()
        if re.search(pattern, path.read_bytes())
    ]
    assert not found


def test_the_lock_file_stays_out() -> None:
    assert not [path for path in _tracked() if path.name == "uv.lock"]


def test_constraints_pin_every_version() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    assert all("==" in line for line in lines)


def test_decisions_are_numbered_without_a_gap() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs" / "adr").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))


def test_documents_link_to_what_is_there() -> None:
    dead = [
        f"{_name(path)}: {target}"
        for path in _tracked()
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text())
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert not dead
