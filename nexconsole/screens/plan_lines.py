"""A plan as lines, part by part: effect, warnings, targets, shell command, undo, watch, checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice
from typing import TYPE_CHECKING

from ..text.units import count, duration, several
from ..widgets.spans import Line, cells, column, cut, dimmed, plain, plain_command, plain_query, wrapped

if TYPE_CHECKING:
    from ..actions.plan import Guard, Plan, Target

LABEL = 9  # cells before what a command, its undo or its watch is
SENTENCE = 4_000  # characters of an effect or a guard's reason
TARGETS = 1_000  # rows that are ever drawn
ROWS = 1_000  # lines of one text
GUARDS = {"ok": ("● ok   ", "muted"), "warn": ("▲ warn ", "warn"), "block": ("■ BLOCK", "block-alarm")}
NEW: Line = (("+ ", "note"),)
OLD: Line = (("- ", "warn"),)
SAME: Line = (("  ", "text"),)


@dataclass(frozen=True, kw_only=True)
class PlanSection:
    """A part of a plan, as lines. `changes`: how many of them differ from the plan that was shown before; those are
    marked `+` and `-`.
    """

    name: str
    lines: tuple[Line, ...]
    changes: int = 0


def plan_sections(plan: Plan, why_again: str | None, width: int, before: Plan | None = None) -> tuple[PlanSection, ...]:
    """The plan's parts in the order of their weight, as lines of at most `width` cells; none of them is empty.

    `why_again`: why it is shown once more; `before`: the plan that was shown then.
    """
    sections = []
    if why_again:
        again: list[Line] = [((f" {line} ", "block-warn"),) for line in _sentence(why_again, width - 2)]
        sections.append(PlanSection(name="again", lines=tuple(again)))
    for name, lines_of in PARTS.items():
        marked = width - cells(NEW[0][0])
        if before is not None and (changed := _compared(name, lines_of, before, plan, marked)) is not None:
            sections.append(changed)
        elif lines := lines_of(plan, width):
            sections.append(PlanSection(name=name, lines=tuple(lines)))
    return tuple(sections)


def _compared(
    name: str, lines_of: Callable[[Plan, int], list[Line]], before: Plan, plan: Plan, width: int
) -> PlanSection | None:
    """The part with its changes marked; None where it is the same, or where it changes by itself all the time."""
    if name == "checks":  # ages of readings
        return None
    if name == "targets":
        return _compared_targets(before, plan, width)
    old, new = lines_of(before, width), lines_of(plan, width)
    if old == new:
        return None
    lines: list[Line] = []
    changes = 0
    for kind, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            lines += [SAME + line for line in new[c:d]]
        else:
            lines += [OLD + dimmed(line) for line in old[a:b]] + [NEW + line for line in new[c:d]]
            changes += max(b - a, d - c)
    return PlanSection(name=name, lines=tuple(lines), changes=changes)


def _compared_targets(before: Plan, plan: Plan, width: int) -> PlanSection | None:
    """What is new, gone or different comes first. Only identity counts, not figures that are shown beside it."""
    old = {(target.kind, target.id): target for target in before.targets}
    new = {(target.kind, target.id): target for target in plan.targets}
    changed = [key for key in {**old, **new} if _identity(old.get(key)) != _identity(new.get(key))]
    if not changed:
        return None
    room = _room((*old.values(), *new.values()), width)
    lines = [SAME + _summary(plan)]
    for key in changed:
        lines += [OLD + dimmed(_target(old[key], room))] if key in old else []
        lines += [NEW + _target(new[key], room)] if key in new else []
    rest = [target for key, target in new.items() if key not in set(changed)]
    lines += [SAME + line for line in _rows(rest, room)]
    return PlanSection(name="targets", lines=tuple(lines), changes=len(changed))


def _identity(target: Target | None) -> object:
    return None if target is None else (target.chosen, dict(target.identity))


def _effect(plan: Plan, width: int) -> list[Line]:
    return [((line, "strong"),) for line in _sentence(plan.effect, width)]


def _guards(*levels: str) -> Callable[[Plan, int], list[Line]]:
    def lines(plan: Plan, width: int) -> list[Line]:
        ordered = [guard for level in levels for guard in plan.guards if guard.level == level]
        return [line for guard in ordered for line in _guard(guard, width)]

    return lines


def _targets(plan: Plan, width: int) -> list[Line]:
    """One line on what changes; then a row for each target, those left alone greyed."""
    if not plan.targets:
        return []
    return [_summary(plan), *_rows(plan.targets, _room(plan.targets, width))]


def _command(plan: Plan, width: int) -> list[Line]:
    return _labelled("command", plan.command, width, "text")


def _undo(plan: Plan, width: int) -> list[Line]:
    return _labelled("undo", plan.undo.command if plan.undo else "there is none", width, "muted")


def _watch(plan: Plan, width: int) -> list[Line]:
    if not plan.watch:
        return []
    rows = _sentence(f"{plain(plan.watch)}, for up to {duration(plan.deadline_s)}", max(1, width - LABEL))
    return [((column("" if n else "watches", LABEL), "muted"), (row, "muted")) for n, row in enumerate(rows)]


PARTS: Mapping[str, Callable[[Plan, int], list[Line]]] = {
    "effect": _effect,
    "warnings": _guards("block", "warn"),
    "targets": _targets,
    "command": _command,
    "undo": _undo,
    "watch": _watch,
    "checks": _guards("ok"),
}


def _sentence(text: str, width: int) -> list[str]:
    """The effect in full: the operator decides by it."""
    return wrapped(text, max(1, width), ROWS, SENTENCE)


def _guard(guard: Guard, width: int) -> list[Line]:
    mark, ink = GUARDS[guard.level]
    room = width - cells(mark) - 1
    text = "muted" if guard.level == "ok" else "text"
    told = guard.reason if guard.name in guard.reason else f"{guard.name}: {guard.reason}"  # said once
    rows = _sentence(told, room)
    return [
        ((mark if n == 0 else " " * cells(mark), ink if n == 0 else "text"), (f" {row}", text))
        for n, row in enumerate(rows)
    ]


def _labelled(label: str, text: str, width: int, ink: str) -> list[Line]:
    rows = [row for line in text.splitlines() for row in _hard(plain_command(line, 4000), max(1, width - LABEL))]
    if len(rows) > ROWS:
        rows = [*rows[: ROWS - 1], f"... {several(len(rows) - ROWS + 1, 'more line')}, all of them when copied"]
    return [((column(label if n == 0 else "", LABEL), "muted"), (row, ink)) for n, row in enumerate(rows)]


def _hard(text: str, width: int) -> list[str]:
    """A command broken at the width, no character lost."""
    rows = []
    while text:
        row = cut(text, width)
        if row != text:
            row = row[:-1]
        if not row:
            break
        rows.append(row)
        text = text[len(row) :]
    return rows or [""]


def _summary(plan: Plan) -> Line:
    """One line: how many change, and how many are left alone."""
    kinds = Counter(target.kind for target in plan.chosen)
    chosen = kinds.total()
    touched = ", ".join(several(number, kind, _plural(kind)) for kind, number in kinds.items()) or "nothing"
    alone = f"; leaves {count(len(plan.targets) - chosen)} alone" if chosen != len(plan.targets) else ""
    return ((plain(plan.summary) or f"changes {touched}{alone}", "muted"),)


def _room(targets: Iterable[Target], width: int) -> int:
    """Cells for the targets' names."""
    longest = max((cells(_name(target)) for target in islice(targets, TARGETS)), default=0)
    return min(longest, max(12, width // 2))


def _rows(targets: Iterable[Target], room: int) -> list[Line]:
    ordered = sorted(targets, key=lambda target: not target.chosen)
    ink = "text" if sum(target.chosen for target in ordered[:2]) > 1 else "strong"  # of many none stands out
    lines = [_target(target, room, ink) for target in ordered[:TARGETS]]
    if len(ordered) > TARGETS:
        lines.append(((f"  and {count(len(ordered) - TARGETS)} more", "warn"),))
    return lines


def _target(target: Target, room: int, ink: str = "strong") -> Line:
    facts, name = "  ".join(_facts(target)), column(_name(target), room)
    if target.chosen:
        return (("> ", ink), (name, ink), (f"  {facts}", "text"))
    return (("- ", "faint"), (f"{name}  left alone  {facts}", "stale"))


def _plural(noun: str) -> str:
    return noun if noun.endswith("s") else noun + "s"


def _name(target: Target) -> str:
    """The target's name where it has one, else its id."""
    return plain(target.identity.get("name") or target.id, 80)


def _facts(target: Target) -> list[str]:
    facts: dict[str, object] = {**target.shown, **target.identity}
    if facts.pop("name", None):
        facts["id"] = target.id
    return [_fact(name, value) for name, value in facts.items() if value not in (None, "", _name(target))]


def _fact(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f"{plain(name, 30).replace('_', ' ')} {'yes' if value else 'no'}"
    if name.endswith("_s") and isinstance(value, int | float):
        return f"{plain(name[:-2], 30).replace('_', ' ')} {duration(value)}"
    shown = plain_query(value, 60) if name == "query" else plain(value, 60)
    return f"{plain(name, 30).replace('_', ' ')} {shown}"
