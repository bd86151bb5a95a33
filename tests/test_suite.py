"""The suite's own rules."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from mutants import CORE, ROOT

HERE = Path(__file__).parent
CLASS = re.compile(r"^ *class (\w+)[(:\[]", re.MULTILINE)


def imported_by(file: Path) -> set[str]:
    """The first names of all modules that a file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.partition(".")[0])
    return names


def test_no_module_imports_a_test_module() -> None:
    tests = {file.stem for file in HERE.glob("test_*.py")}
    importers = {file.name: imported_by(file) & tests for file in HERE.rglob("*.py")}
    assert {name: modules for name, modules in importers.items() if modules} == {}


def test_each_module_that_mutants_are_drawn_from_is_there_with_its_tests() -> None:
    missing = [module for module in CORE if not (ROOT / "nexconsole" / module).is_file()]
    missing += [name for tests in CORE.values() for name in tests if not (HERE / name).is_file()]
    assert missing == []


def test_no_class_is_named_as_another() -> None:
    places: dict[str, list[str]] = {}
    for file in (*HERE.rglob("*.py"), *(HERE.parent / "nexconsole").rglob("*.py")):
        for name in CLASS.findall(file.read_text(encoding="utf-8")):
            places.setdefault(name, []).append(str(file.relative_to(HERE.parent)))
    shared = {name: files for name, files in places.items() if len(files) > 1}
    assert shared == {}
