"""A settings file with every key as a comment: its meaning, unit and default, as declared beside it."""

from __future__ import annotations

import ast
import inspect
import io
import json
import re
import textwrap
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from . import notify, roles, rules, tables
from .loading import CHOICES, ENVIRONMENT, SECRETS
from .table import SettingsTable
from .tables import Settings, SignalSettings

WIDTH = 100
DECLARED_IN = (tables, rules, notify, roles)
HEAD = """\
Settings of NexConsole. `nexconsole settings` shows what is in effect and where it came from.
Each key stands with its default: remove the # before it and change it.
Environment variables go over this file, unless a profile is chosen, and flags over both."""
SECRET = 'secret: the value, or { command = ["pass", "show", "nexnum/NAME"] }'
UNITS = {"_s": "seconds", "_mb": "MB", "_days": "days", "_rate": "ratio, 0..1"}
BARE = re.compile(r"[A-Za-z0-9_-]+")
SAMPLE = "live-numbers"
PROFILES = (
    "",
    "# Several NexNums, one a profile (`--profile eu`): what stands there lies over all other keys of this file.",
    "# With a profile no address is taken from the environment, and journals, recordings and sheet are its own.",
    "#[profiles.eu]",
    '#name = "nexnum-eu"',
    '#postgres.url = { command = ["pass", "show", "nexnum-eu/database-url"] }',
)
SAMPLE_VALUES = {
    "sql": "SELECT count(*) FROM numbers WHERE status = 'active'",
    "title": "Live numbers",
    "limits": {"SEV-3": 500.0, "SEV-2": 5000.0},
}


@dataclass(frozen=True)
class Key:
    """A settings key: its table ("prometheus.expressions"; "" at the top), name, default and meaning."""

    table: str
    name: str
    default: Any
    meaning: str

    @property
    def dotted(self) -> str:
        return f"{self.table}.{self.name}".lstrip(".")

    @property
    def unit(self) -> str:
        """The unit of its number; "" where it has none, or where the meaning says it."""
        if not isinstance(self.default, int | float) or isinstance(self.default, bool) or "0..1" in self.meaning:
            return ""
        return next((unit for suffix, unit in UNITS.items() if self.name.endswith(suffix)), "")


def keys() -> list[Key]:
    """Every key, in the order of a file: a table's own keys stand before the tables in it."""
    return list(_keys_of(Settings, "", _meanings()))


def example(values: Mapping[str, Any] | None = None, notes: Mapping[str, Sequence[str]] | None = None) -> str:
    """The file as text. `values`, by dotted key, are set in it; `notes` are comments of a key, or of the file ("")."""
    values, notes = values or {}, notes or {}
    abouts = _abouts()
    lines = [*_comment(HEAD), *(line for note in notes.get("", ()) for line in _comment(note))]
    table = ""
    for key in keys():
        if key.table != table:
            table = key.table
            lines += ["", *_comment(abouts[table]), f"[{table}]"]
        lines += ["", *_about(key), *(line for note in notes.get(key.dotted, ()) for line in _comment(note))]
        value, mark = (values[key.dotted], "") if key.dotted in values else (key.default, "#")
        lines.append(f"{mark}{key.name} = {toml(value)}")
    return "\n".join([*lines, *_sample(abouts["signals"]), *PROFILES]) + "\n"


def toml(value: Any) -> str:
    """A value as TOML, on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        plain = '"' in value and "'" not in value and value.isprintable()
        return f"'{value}'" if plain else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        pairs = (f"{name if BARE.fullmatch(name) else toml(name)} = {toml(each)}" for name, each in value.items())
        return f"{{ {', '.join(pairs)} }}" if value else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    return repr(value)


def _keys_of(kind: type[SettingsTable], table: str, meanings: Mapping[tuple[str, str], str]) -> Iterator[Key]:
    defaults = kind()
    tables_in_it = []
    for field in msgspec.structs.fields(kind):
        default = getattr(defaults, field.name)
        if isinstance(default, SettingsTable):
            tables_in_it.append((type(default), f"{table}.{field.name}".lstrip(".")))
        elif field.name not in ("signals", "keys"):  # whose names are the team's own, and the bindings'
            yield Key(table, field.name, default, meanings[kind.__name__, field.name])
    for inner, name in tables_in_it:
        yield from _keys_of(inner, name, meanings)


def _abouts() -> dict[str, str]:
    """What each table is for: its class's docstring; "" where it has none of its own."""
    abouts = {"signals": _about_class(SignalSettings)}

    def walk(table: SettingsTable, name: str) -> None:
        abouts[name] = _about_class(type(table))
        for field in msgspec.structs.fields(table):
            inner = getattr(table, field.name)
            if isinstance(inner, SettingsTable):
                walk(inner, f"{name}.{field.name}".lstrip("."))

    walk(Settings(), "")
    return abouts


def _about_class(kind: type[SettingsTable]) -> str:
    return inspect.cleandoc(kind.__dict__.get("__doc__") or "")


def _about(key: Key) -> Iterator[str]:
    """The comment above a key."""
    facts = [key.unit and f"unit: {key.unit}"]
    if choices := CHOICES.get(key.dotted):
        facts.append(f"one of {', '.join(choices)}")
    variables = [variable for variable, name in ENVIRONMENT.items() if name == key.dotted]
    if variables and not any(variable in key.meaning for variable in variables):
        facts.append(f"set by {' or '.join(variables)}")
    facts.append(SECRET if key.dotted in SECRETS else "")
    yield from _comment(key.meaning)
    yield from _comment("; ".join(filter(None, facts)))


def _comment(text: str) -> list[str]:
    wrapper = textwrap.TextWrapper(WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
    return [line for paragraph in text.splitlines() for line in wrapper.wrap(paragraph)]


def _sample(about: str) -> Iterator[str]:
    """A signal of the team's own, as a comment."""
    yield from ("", *_comment(about), f"#[signals.{SAMPLE}]")
    for key in _keys_of(SignalSettings, "signals", _meanings()):
        yield from ("", *_about(key), f"#{key.name} = {toml(SAMPLE_VALUES.get(key.name, key.default))}")


def _meanings() -> dict[tuple[str, str], str]:
    """What the comments of the declaring modules say, by class and field: the lines above a field, and those beside
    it."""
    meanings: dict[tuple[str, str], str] = {}
    for module in DECLARED_IN:
        meanings |= _meanings_in(inspect.getsource(module))
    return meanings


def _meanings_in(source: str) -> dict[tuple[str, str], str]:
    alone, beside = _comments(source)
    meanings = {}
    for node in ast.parse(source).body:
        for field in node.body if isinstance(node, ast.ClassDef) else ():
            if not (isinstance(node, ast.ClassDef) and isinstance(field, ast.AnnAssign)):
                continue
            first = field.lineno
            while first - 1 in alone:
                first -= 1
            above = [alone[line] for line in range(first, field.lineno)]
            own = [beside[line] for line in range(field.lineno, (field.end_lineno or 0) + 1) if line in beside]
            meanings[node.name, ast.unparse(field.target)] = " ".join([*above, *own])
    return meanings


def _comments(source: str) -> tuple[dict[int, str], dict[int, str]]:
    """The comments by line: those that have a line of their own, and those that follow code."""
    alone: dict[int, str] = {}
    beside: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            place = beside if token.line[: token.start[1]].strip() else alone
            place[token.start[0]] = token.string.lstrip("# ")
    return alone, beside
