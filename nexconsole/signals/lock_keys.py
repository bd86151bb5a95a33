"""Lock keys: value, TTL, age where the value has it, owner, and suspicion. (nexnum.md#locks)

The only module that judges a lock: the signal and locks.flush agree on what is orphaned.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from ..text.sanitize import clean, strip_controls
from ..text.units import period

if TYPE_CHECKING:
    from ..settings import LocksSettings

YOUNG_S = 10.0  # the oldest versions take a lock first and give it its TTL then: so young, it may be on its way
LONGEST = 500  # characters of a key or value that can be a lock's
EPOCH_MS = re.compile(r"^(\d{13})(?:_|$)")  # NexNum's locks hold the moment they were taken, in ms
ID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
NO_TTL, GONE = -1, -2


@dataclass(frozen=True, kw_only=True)
class Lock:
    """One key of a family. `pttl` in ms, -1 for none; `age_s` None where the value doesn't tell; `suspicious` says
    why nobody will release it, `why_not` why it is left alone although it was asked for."""

    key: str
    value: str | None
    pttl: int
    age_s: float | None
    suspicious: str = ""
    why_not: str = ""

    @property
    def order(self) -> tuple[bool, bool, float, str]:
        """By suspicion: without TTL first, then the oldest."""
        return bool(self.why_not), self.pttl != NO_TTL, -(self.age_s or 0.0), self.key


def showable(text: str) -> bool:
    """Whether what is shown of it is exactly what it is."""
    return len(text) <= LONGEST and text.isprintable() and text == text.strip() and strip_controls(text) == text


def owner(key: str) -> str:
    """Whose lock it is, as far as the key says: a user's or a number's id, else what stands after the family."""
    found = ID.search(key)
    return clean(found[0] if found else key.rpartition(":")[2], 80)


def forbidden(key: str, rules: LocksSettings) -> str | None:
    """The pattern of what is never to be touched that this key matches."""
    return next((pattern for pattern in rules.never if fnmatchcase(key.strip(), pattern)), None)


def judge(key: str, value: str | None, pttl: int, rules: LocksSettings, now: datetime) -> Lock:
    """What speaks for deleting it and what against."""
    stamp = EPOCH_MS.match(value or "")
    age = max(0.0, now.timestamp() - int(stamp[1]) / 1000) if stamp else None
    why_not = ""
    if pattern := forbidden(key, rules):
        why_not = f"never to be touched: {pattern}"
    elif value is None:
        why_not = "it holds no text: that is no lock"
    elif not showable(key) or not showable(value):
        why_not = "its key or value can't be shown as it is: use redis-cli"
    suspicious = ""
    if pttl == NO_TTL and (age is None or age >= YOUNG_S):
        suspicious = "it has no TTL: it stays until somebody deletes it"
    elif age is not None and age > rules.older_than_s:
        suspicious = f"it is older than {period(rules.older_than_s)}"
    return Lock(key=key, value=value, pttl=pttl, age_s=age, suspicious=suspicious, why_not=why_not)
