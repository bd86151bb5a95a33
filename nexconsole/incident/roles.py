"""Role assignments over time: a fold over the entries that assign and release roles."""

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
    """Every assignment, in order of its beginning.

    The last entry on a role counts. Any number may observe; an observer has no other role.
    """
    assignments: list[RoleAssignment] = []
    for entry in entries:
        role, person = entry.data.get("role"), clean(entry.data.get("person") or "", 100)
        if entry.kind != EntryKind.ROLE or role not in ROLES or (role == OBSERVER and not person):
            continue
        if any(
            assignment.until is None and (assignment.role, assignment.person) == (role, person)
            for assignment in assignments
        ):
            continue
        at = entry.at.astimezone(UTC)
        assignments = [
            replace(assignment, until=at) if _ends(assignment, role, person) else assignment
            for assignment in assignments
        ]
        if person:
            assignments.append(RoleAssignment(role=role, person=person, since=at))
    return tuple(assignments)


def _ends(assignment: RoleAssignment, role: str, person: str) -> bool:
    """Whether this assignment ends the other one."""
    if assignment.until is not None:
        return False
    if role == OBSERVER:
        return assignment.person == person
    return assignment.role == role or (assignment.role == OBSERVER and assignment.person == person)


def current_assignments(held: Iterable[RoleAssignment]) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """The present commander, operator and scribe, in this order, and the observers."""
    last = [assignment for assignment in held if assignment.until is None]
    roles = {assignment.role: assignment.person for assignment in last if assignment.role != OBSERVER}
    observers = {assignment.person for assignment in last if assignment.role == OBSERVER}
    return {role: roles[role] for role in ROLES if role in roles}, tuple(sorted(observers))
