"""Whether the tests bite: sampled mutants of the core, each against the unit tests of its module.

    python -m tests.mutants [MODULE ...] [--sample 15] [--seed 0] [--jobs 1] [--show]

as in `python -m tests.mutants severity.py --seed 7` (from the checkout, with the tests' packages; the exit code is 1
where fewer than 90 % of a module's mutants are killed). It takes some seconds a mutant and is no part of the suite.

A mutant is the module with one small fault: a comparison, a boundary, a sign, a number, a word or a branch is another.
It is killed where a test fails. The share of killed ones is printed for each module, and who survived.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 180.0
GOAL = 0.9
# Each module of the core and the tests that know it best: quick ones, that need no server, first.
CORE = {
    "severity.py": ("test_severity.py", "test_severity_looks.py"),
    "signals/attribution.py": ("test_attribution.py",),
    "signals/transactions.py": ("test_transactions_weighed.py",),
    "signals/traffic.py": ("test_traffic.py", "test_signal_purchases.py"),
    "signals/circuits.py": ("test_circuits_joined.py",),
    "actions/circuits.py": ("test_action_circuits.py", "test_action_answers.py"),
    "actions/perform.py": ("test_perform.py", "test_perform_said.py"),
    "actions/providers.py": ("test_providers_switched.py",),
    "actions/locks.py": ("test_locks_flushed.py",),
    "sharing/lease_files.py": ("test_lease_files.py",),
    "incident/incident.py": ("test_incident_folded.py", "test_incident.py"),
    "journal/verify.py": ("test_journal_verify.py",),
    "journal/redaction.py": ("test_redaction_limits.py", "test_journal_redaction.py"),
    "widgets/privacy.py": ("test_privacy.py",),
}
COMPARISONS = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
}
ARITHMETIC = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.Mod: ("%", "*"),
    ast.FloorDiv: ("//", "*"),
}


@dataclass(frozen=True)
class Mutant:
    """`before` at this place (a character's offset) becomes `after`."""

    offset: int
    before: str
    after: str
    line: int

    def applied(self, source: str) -> str:
        return source[: self.offset] + self.after + source[self.offset + len(self.before) :]

    def __str__(self) -> str:
        return f"line {self.line}: {self.before.strip()!r} -> {self.after.strip()!r}"


class _Places:
    """A source's offsets by line and column (in bytes, as ast has them)."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._lines = source.splitlines(keepends=True)
        self._starts = [0]
        for line in self._lines:
            self._starts.append(self._starts[-1] + len(line))

    def offset(self, line: int, column: int) -> int:
        return self._starts[line - 1] + len(self._lines[line - 1].encode()[:column].decode())

    def span(self, node: ast.expr | ast.stmt) -> tuple[int, int]:
        return self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)


def mutants_of(source: str) -> list[Mutant]:
    """Every mutant of a module's functions that is another program; what no behaviour hangs on is left alone."""
    places, tree = _Places(source), ast.parse(source)
    found = set()
    for node in _code(tree):
        found.update(_mutated(node, places))
    return sorted(
        filter(lambda one: _differs(one.applied(source), tree), found), key=lambda one: (one.offset, one.after)
    )


def _differs(source: str, tree: ast.Module) -> bool:
    """Whether it is a program at all, and not the same: else it would be killed, or survive, by its form alone."""
    try:
        return ast.dump(ast.parse(source)) != ast.dump(tree)
    except SyntaxError:
        return False


def _is_idle(node: ast.AST) -> bool:
    """Whether no behaviour hangs on it: imports, what is logged, a type variable's name, zip's `strict` (which is
    there for bugs), and the words by which the palette finds and explains an action."""
    if isinstance(node, ast.Call):
        return ast.unparse(node.func).startswith("log.") or ast.unparse(node.func) == "TypeVar"
    if isinstance(node, ast.Assign):
        return ast.unparse(node.targets[0]) == "synonyms"
    return isinstance(node, ast.Import | ast.ImportFrom) or (
        isinstance(node, ast.keyword) and node.arg in ("strict", "help", "synonyms")
    )


def _code(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run: without annotations, docstrings, a class's decorators and keywords (they say its shape), and
    type-checking imports."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list") or (
                name == "keywords" and isinstance(node, ast.ClassDef)
            ):
                continue
            children = value if isinstance(value, list) else [value]
            docstring = name == "body" and isinstance(
                node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
            )
            for place, child in enumerate(children):
                if not isinstance(child, ast.AST) or _is_idle(child):
                    continue
                if docstring and place == 0 and isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                    continue
                if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                    continue
                waiting.append(child)


def _mutated(node: ast.AST, places: _Places) -> Iterator[Mutant]:
    if isinstance(node, ast.Compare):
        left = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            yield from _between(left, right, COMPARISONS.get(type(operator)), places)
            left = right
    elif isinstance(node, ast.BinOp):
        yield from _between(node.left, node.right, ARITHMETIC.get(type(node.op)), places)
    elif isinstance(node, ast.BoolOp):
        words = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield from _between(left, right, words, places)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        begin, _ = places.span(node)
        yield Mutant(begin, "not ", "", node.lineno)
    elif isinstance(node, ast.Constant):
        yield from _constant(node, places)
    elif isinstance(node, ast.If | ast.IfExp | ast.While):
        begin, end = places.span(node.test)
        text = places.source[begin:end]
        if "\n" not in text and ":=" not in text:
            yield Mutant(begin, text, "True", node.lineno)
            yield Mutant(begin, text, "False", node.lineno)


def _between(left: ast.expr, right: ast.expr, words: tuple[str, str] | None, places: _Places) -> Iterator[Mutant]:
    if words is None:
        return
    begin, end = places.span(left)[1], places.span(right)[0]
    gap = places.source[begin:end]
    at = gap.find(words[0])
    if at >= 0 and "#" not in gap:
        yield Mutant(begin + at, words[0], words[1], left.end_lineno)


def _constant(node: ast.Constant, places: _Places) -> Iterator[Mutant]:
    begin, end = places.span(node)
    text = places.source[begin:end]
    if isinstance(node.value, bool):
        yield Mutant(begin, text, str(not node.value), node.lineno)
    elif isinstance(node.value, int | float):
        yield Mutant(begin, text, f"({text} + 1)", node.lineno)
    elif isinstance(node.value, str) and node.value and text[:1] in "'\"" and text[:3] not in ('"""', "'''"):
        yield Mutant(begin, text, repr(f"{node.value}x"), node.lineno)


@dataclass(frozen=True)
class Result:
    module: str
    mutant: Mutant
    killed: bool


def _tree(folder: Path) -> Path:
    """A copy of what the tests need."""
    tree = folder / "tree"
    for name in ("nexconsole", "tests", "styles"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__", "*.svg"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    return tree


def _tests_fail(tree: Path, tests: tuple[str, ...]) -> bool:
    files = [f"tests/{name}" for name in tests]
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "--reruns", "0", "-p", "no:cacheprovider", *files]
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def judge(module: str, mutants: list[Mutant], jobs: int) -> list[Result]:
    """Try each in a copy of the tree. Raises SystemExit where the tests fail without a mutant: they prove nothing."""
    source, tests = (ROOT / "nexconsole" / module).read_text(), CORE[module]

    def work(share: list[Mutant]) -> list[Result]:
        with tempfile.TemporaryDirectory(prefix="nexconsole-mutants-") as folder:
            tree = _tree(Path(folder))
            if _tests_fail(tree, tests):
                raise SystemExit(f"{module}: its tests fail as it is: {', '.join(tests)}")
            results = []
            for mutant in share:
                (tree / "nexconsole" / module).write_text(mutant.applied(source))
                results.append(Result(module, mutant, _tests_fail(tree, tests)))
            return results

    with ThreadPoolExecutor(jobs) as pool:
        return [result for results in pool.map(work, [mutants[n::jobs] for n in range(jobs)]) for result in results]


def sampled(module: str, size: int, seed: int) -> list[Mutant]:
    """A module's mutants, drawn by seed."""
    mutants = mutants_of((ROOT / "nexconsole" / module).read_text())
    return random.Random(f"{seed} {module}").sample(mutants, min(size, len(mutants)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description="Sample mutants of the core.")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="of the core; none: all of them")
    parser.add_argument("--sample", type=int, default=15, metavar="N", help="mutants of each module (default 15)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2), metavar="N")
    parser.add_argument("--show", action="store_true", help="list the sampled mutants and try none")
    options = parser.parse_args()
    unknown = set(options.modules) - set(CORE)
    if unknown:
        parser.error(f"not of the core: {', '.join(sorted(unknown))}; choose of {', '.join(CORE)}")
    good = True
    print(f"{'module':32}{'killed':>8}{'of':>5}{'share':>8}")
    for module in options.modules or CORE:
        mutants = sampled(module, options.sample, options.seed)
        if options.show:
            print(module, *(f"  {mutant}" for mutant in mutants), sep="\n")
            continue
        results = judge(module, mutants, options.jobs)
        killed = sum(result.killed for result in results)
        share = killed / len(results) if results else 1.0
        good &= share >= GOAL
        print(f"{module:32}{killed:>8}{len(results):>5}{share:>8.0%}", flush=True)
        for result in results:
            if not result.killed:
                print(f"    survived: {result.mutant}", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
