"""Probes of the locks that keep customers out. (nexnum.md#locks)"""

from __future__ import annotations

from ...catalogue import Argument
from ...signals.locks import Locks
from ...text.units import duration
from .probe import Probe, ProbeResult, View, many


def _abandoned(view: View[Locks]) -> ProbeResult:
    value = view.value
    if view.argument and view.argument not in value.families:
        known = ", ".join(value.families) or "none"
        text = f"not known: the family {view.argument} is not watched; watched are {known}"
        return ProbeResult(text=text, value=None, lacks=f"{view.argument} in locks.watch")
    families = {name: one for name, one in value.families.items() if view.argument in ("", name)}
    number = sum(family.abandoned for family in families.values())
    if not number and not value.known:
        return ProbeResult(text=f"not known: none so far, in {value.looked} keys of all", value=None)
    if not number:
        locks = sum(family.locks for family in families.values())
        return ProbeResult(text=f"none of {many(locks, 'lock')}{_of(view.argument)} is abandoned", value=0.0)
    worst = max(families, key=lambda name: families[name].abandoned)
    parts = ", ".join(f"{one.abandoned} {name}" for name, one in families.items() if one.abandoned)
    least = "at least " if value.capped or not value.known else ""
    text = f"{least}{many(number, 'lock')}{_of(view.argument)} that nobody will release"
    return ProbeResult(text=text if view.argument else f"{text}: {parts}", value=float(number), gives={"family": worst})


def _of(family: str) -> str:
    return f" of {family}" if family else ""


def _oldest(view: View[Locks]) -> ProbeResult:
    value = view.value
    if value.oldest_s is not None:
        key = next((lock.key for lock in value.worst if lock.age_s == value.oldest_s), "")
        return ProbeResult(text=f"the oldest has stood for {duration(value.oldest_s)}: {key}", value=value.oldest_s)
    if value.abandoned:
        return ProbeResult(text="not known: their values don't say when they were taken", value=None)
    if not value.known:
        return ProbeResult(text=f"not known: none so far, in {value.looked} keys of all", value=None)
    return ProbeResult(text="none is abandoned", value=0.0)


FAMILY = Argument(name="family", kind="family", required=False)
PROBES = (
    Probe(
        name="locks.abandoned",
        title="locks that nobody will release",
        signal="locks",
        kind="number",
        read=_abandoned,
        argument=FAMILY,
        gives={"family": "family"},
    ),
    Probe(
        name="locks.oldest",
        title="age of the oldest lock that nobody will release",
        signal="locks",
        kind="number",
        unit="seconds",
        read=_oldest,
    ),
)
