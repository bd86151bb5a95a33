"""Whom it hurts, and when it ends or begins, in one line each. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ..text.units import count, money, several
from .wording import time_of

if TYPE_CHECKING:
    from ..signals.customers import Customers
    from ..signals.runway import Ceiling


def hurt(value: Customers) -> str:
    """Whom it hurts, in one line: only what is known; "" where nobody is."""
    people = [
        f"{several(number, 'customer')} {word}"
        for number, word in ((value.failing, "failing"), (value.refused, "refused"), (value.waiting, "waiting"))
        if number
    ]
    per_min = value.failing_per_min or 0.0
    rate = [f"{count(per_min) if per_min >= 10 else f'{per_min:.1f}'} purchases a minute fail"] if per_min else []
    rate += [f"{money(value.money_per_min)} $ a minute"] if value.money_per_min else []
    holds = [f"{several(value.holds, 'hold')} open"] if value.holds else []
    held = f", {money(value.held)} $" if value.holds and value.held else ""
    return "; ".join(filter(None, (", ".join(people), ", ".join(rate), "".join(holds) + held)))


def reached(ceiling: Ceiling, now: datetime) -> tuple[str, str]:
    """The ceiling, and when it is reached, with its ink; what has no estimate says why."""
    if ceiling.earliest is None and ceiling.latest is None:
        return f"{ceiling.name}: {ceiling.text}", "muted"
    first, last = ceiling.earliest or ceiling.latest, ceiling.latest or ceiling.earliest
    assert first is not None and last is not None
    if last <= now:
        return f"{ceiling.name}: {ceiling.text}", "text" if ceiling.good else "warn"
    begin, end = time_of(first, now), time_of(last, now)
    when = f"at about {begin}" if begin == end else f"between {begin} and {end}"
    what = "done" if ceiling.good else "reached"
    return f"{ceiling.name}: {ceiling.text}; {what} {when}", "text" if ceiling.good else "warn"
