"""A plan as lines of text: what it does, what speaks against it, how to confirm it, then the rest."""

from __future__ import annotations

from ..actions.plan import Plan, Target
from ..text.sanitize import clean
from ..text.units import duration, several

TARGETS = 5


def plan_lines(plan: Plan, why_again: str | None) -> list[str]:
    """One sentence a line, the most important first."""
    lines = [f"shown again: {clean(why_again, 2000)}"] if why_again else []
    lines.append(clean(plan.effect, 2000))
    for level, word in (("block", "BLOCKED"), ("warn", "warning")):
        lines += [f"{word}: {clean(guard.reason, 2000)}" for guard in plan.guards if guard.level == level]
    chosen = plan.chosen
    lines += [f"changes {_target(target)}" for target in chosen[:TARGETS]]
    if len(chosen) > TARGETS:
        lines.append(f"and {len(chosen) - TARGETS} more")
    if alone := len(plan.targets) - len(chosen):
        lines.append(f"leaves {several(alone, 'target')} alone")
    lines.append(f"the same by hand: {clean(plan.command, 4000)}")
    lines.append(f"undo: {clean(plan.undo.command, 2000) if plan.undo else 'there is none'}")
    if plan.watch:
        lines.append(f"then watches whether {clean(plan.watch)}, for up to {duration(plan.deadline_s)}")
    return lines


def confirmation(plan: Plan) -> str:
    """How to confirm it; it names the action, for other lines may stand between."""
    name = clean(" ".join((plan.action, *plan.arguments.values())), 200)
    if plan.blocked:
        return f"{name}: nothing can be sent: it is blocked"
    return f"{name}: to do it, type '{clean(plan.confirm.text, 200)}'; anything else cancels"


def breaking_glass(plan: Plan, why: str) -> tuple[str, tuple[str, ...]]:
    """How to act without the second person that it needs, and the lines before that; `why`: why there is none."""
    name = clean(" ".join((plan.action, *plan.arguments.values())), 200)
    return (
        f"{name}: to break the glass, type why it can't wait; an empty line sends nothing",
        (
            f"NO SECOND PERSON: {name} needs a second person's approval, and {clean(why)}",
            "breaking the glass sends it without one: your name and the reason are loud on record and in every notice",
        ),
    )


def _target(target: Target) -> str:
    name = clean(target.identity.get("name") or target.id, 80)
    facts = {**target.shown, **{key: value for key, value in target.identity.items() if key != "name"}}
    told = ", ".join(
        f"{key.replace('_', ' ')} {clean(value, 60)}" for key, value in facts.items() if value not in (None, "")
    )
    return f"{target.kind} {name}" + (f" ({told})" if told else "")
