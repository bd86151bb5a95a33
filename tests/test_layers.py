"""No circle of modules anywhere, and every module has its layer.

The graph is read from the source. An import under TYPE_CHECKING or inside a function is one like any other: what it
names must be known to whoever reads it. Two things are left out. Importing `a.b` also runs `a/__init__.py`, but whoever
reads `a.b` need not know that. And `importlib.import_module` has no name that could be read from the source: it stands
in the registries, which find what others have registered with them, and in the application, for what it loads late.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import nexconsole

ROOT = Path(nexconsole.__file__).parent
PROJECT = Path(__file__).parent.parent / "pyproject.toml"


def modules(root: Path) -> dict[str, Path]:
    """Every module's file by its dotted name."""
    found = {}
    for file in root.rglob("*.py"):
        parts = (root.name, *file.relative_to(root).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported(name: str, file: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """The modules that this one names in an import, wherever that stands."""
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join(filter(None, (*above, node.module)))
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in known else base


def graph(root: Path) -> dict[str, set[str]]:
    known = modules(root)
    return {name: {one for one in imported(name, file, known) if one in known} - {name} for name, file in known.items()}


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Modules of which each imports the next, the last one the first; [] where there is no such circle."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(reversed(error.args[1]))
    return []


def test_no_module_comes_back_to_itself() -> None:
    assert circle(graph(ROOT)) == []


@pytest.mark.parametrize(
    "text",
    [
        "from .b import B",
        "from . import b",
        "from ..package import b",
        "import package.b",
        "def late():\n    from .b import B",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .b import B",
    ],
)
def test_a_circle_is_seen_however_it_is_imported(tmp_path: Path, text: str) -> None:
    root = tmp_path / "package"
    root.mkdir()
    (root / "__init__.py").write_text("")
    (root / "a.py").write_text(text)
    (root / "b.py").write_text("from .c import C\n")
    (root / "c.py").write_text("x = 1\n")
    assert circle(graph(root)) == []
    (root / "c.py").write_text("from .a import A\n")
    assert sorted(set(circle(graph(root)))) == ["package.a", "package.b", "package.c"]


def test_every_layer_contract_of_a_package_is_exhaustive() -> None:
    contracts = tomllib.loads(PROJECT.read_text())["tool"]["importlinter"]["contracts"]
    layers = [contract for contract in contracts if contract["type"] == "layers"]
    assert [contract["name"] for contract in layers if not contract.get("exhaustive")] == []
    assert "nexconsole" in {container for contract in layers for container in contract["containers"]}
