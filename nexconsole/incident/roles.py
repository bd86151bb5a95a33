"""Who had which role, and when: a fold over the entries that give and take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ..journal import Entry, EntryKind
from ..text.sanitize import clean

OBSERVER = "observer"
ROLES = ("commander", "operator", "scribe", OBSERVER)


@dataclass(frozen=True, kw_only=True)
class RoleAssignment:
    """A role from when it was taken (UTC) until it was given up or went to another; None: it still is."""

    role: str
    person: str
    since: datetime
    until: datetime | None = None


def assignments_in(entries: Iterable[Entry]) -> tuple[RoleAssignment, ...]:
    """Every stretch for which somebody had a role, in the order of their beginning.

    The last word on a role counts; any number may observe, and who observes has no other role.
    """
    found: list[RoleAssignment] = []
    for entry in entries:
        role, person = entry.data.get("role"), clean(entry.data.get("person") or "", 100)
        if entry.kind != EntryKind.ROLE or role not in ROLES or (role == OBSERVER and not person):
            continue
        if any(one.until is None and (one.role, one.person) == (role, person) for one in found):
            continue
        at = entry.at.astimezone(UTC)
        found = [replace(one, until=at) if _ends(one, role, person) else one for one in found]
        if person:
            found.append(RoleAssignment(role=role, person=person, since=at))
    return tuple(found)


def _ends(one: RoleAssignment, role: str, person: str) -> bool:
    """Whether this person's taking this role ends that stretch."""
    if one.until is not None:
        return False
    if role == OBSERVER:
        return one.person == person
    return one.role == role or (one.role == OBSERVER and one.person == person)


def current_assignments(held: Iterable[RoleAssignment]) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Who is commander, operator and scribe by now, in this order, and who observes."""
    last = [one for one in held if one.until is None]
    roles = {one.role: one.person for one in last if one.role != OBSERVER}
    observers = {one.person for one in last if one.role == OBSERVER}
    return {role: roles[role] for role in ROLES if role in roles}, tuple(sorted(observers))
