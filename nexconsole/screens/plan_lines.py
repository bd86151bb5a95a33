"""A plan as lines: effect, guards, targets, shell command, undo."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from ..text.units import duration, several
from ..widgets.spans import Line, cells, column, cut, plain, plain_command, plain_query, wrapped

if TYPE_CHECKING:
    from ..actions.plan import Guard, Plan, Target

FOLDED = 3  # targets that are seen in any case
LABEL = 9  # cells before what a command, its undo or its watch is
SENTENCE = 2_000  # characters of an effect or a guard's reason
TARGETS = 200  # rows that are ever drawn
GUARDS = {"ok": ("● ok   ", "muted"), "warn": ("▲ warn ", "warn"), "block": ("■ BLOCK", "block-alarm")}


def plan_lines(
    plan: Plan, why_again: str | None, width: int, height: int | None = None, whole: bool = False
) -> list[Line]:
    """Lines of at most `width` cells, the most important first. `why_again`: why it is shown once more.

    In `height` lines the targets are folded, so that the command and the way back stay in sight, unless `whole`.
    """
    before: list[Line] = []
    if why_again:
        before += [((f" {line} ", "block-warn"),) for line in _sentence(why_again, width - 2)]
    before += [((line, "strong"),) for line in _sentence(plan.effect, width)]
    guards = {
        level: [line for guard in plan.guards if guard.level == level for line in _guard(guard, width)]
        for level in ("block", "warn", "ok")
    }
    before += [*guards["block"], *guards["warn"]]
    after = _way_there_and_back(plan, width, 12, 4)
    targets = _targets(plan.targets, plan.summary, width)
    if height is not None and not whole and len(before) + len(targets) + len(after) > height:
        after = _way_there_and_back(plan, width, 4, 2)
        targets = _folded(targets, max(FOLDED + 2, height - len(before) - len(after)))
    watches: list[Line] = []
    if plan.watch:
        watched = f"{plain(plan.watch)}, for up to {duration(plan.deadline_s)}"
        rows = wrapped(watched, max(1, width - LABEL), 3)
        watches = [((column("" if n else "watches", LABEL), "muted"), (row, "muted")) for n, row in enumerate(rows)]
    return [*before, *targets, *after, *watches, *guards["ok"]]


def _sentence(text: str, width: int) -> list[str]:
    """The effect in full: the operator decides by it."""
    return wrapped(text, width, 1000, SENTENCE)


def _way_there_and_back(plan: Plan, width: int, command: int, undo: int) -> list[Line]:
    """The command and its undo, each on as many lines."""
    back = plan.undo.command if plan.undo else "there is none"
    return [*_labelled("command", plan.command, width, "text", command), *_labelled("undo", back, width, "muted", undo)]


def _folded(targets: list[Line], room: int) -> list[Line]:
    """The heading and the first targets in `room` lines, and how many more there are."""
    if len(targets) <= room:
        return targets
    kept = targets[: max(FOLDED + 1, room - 1)]
    more = len(targets) - len(kept)
    return [*kept, (("  ... ", "warn"), (f"+{more} more: ", "warn"), ("space", "key"), (" shows all", "muted"))]


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


def _labelled(label: str, text: str, width: int, ink: str, most: int) -> list[Line]:
    rows = [row for line in text.splitlines() for row in _hard(plain_command(line, 4000), width - LABEL)]
    if len(rows) > most:
        rows = [*rows[: most - 1], f"... {len(rows) - most + 1} more lines, all of them when copied"]
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


def _targets(targets: tuple[Target, ...], summary: str, width: int) -> list[Line]:
    """One line on what changes; then a row for each target, those left alone greyed."""
    if not targets:
        return []
    kinds = Counter(target.kind for target in targets if target.chosen)
    chosen = kinds.total()
    touched = ", ".join(several(number, kind, _plural(kind)) for kind, number in kinds.items()) or "nothing"
    alone = f"; leaves {len(targets) - chosen} alone" if chosen != len(targets) else ""
    head = summary or f"changes {touched}{alone}"
    lines: list[Line] = [((head, "muted"),)]
    targets = tuple(sorted(targets, key=lambda target: not target.chosen))
    named = {id(target): _name(target) for target in targets[:TARGETS]}
    room = min(max(map(cells, named.values())), max(12, width // 2))
    for target in targets[:TARGETS]:
        facts = "  ".join(_facts(target))
        name = column(named[id(target)], room)
        if target.chosen:
            lines.append((("> ", "strong"), (name, "strong"), (f"  {facts}", "text")))
        else:
            lines.append((("- ", "faint"), (f"{name}  left alone  {facts}", "stale")))
    if len(targets) > TARGETS:
        lines.append(((f"  and {len(targets) - TARGETS} more", "warn"),))
    return lines


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
