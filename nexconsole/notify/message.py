"""A message: what somebody outside the room is told, with a name that is the same at every console."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Urgency = Literal["info", "success", "warning", "failure"]
URGENCY: dict[str, Urgency] = {"SEV-1": "failure", "SEV-2": "failure", "SEV-3": "warning", "none": "success"}
LEVELS = ("SEV-1", "SEV-2", "SEV-3", "none")  # the worst first


@dataclass(frozen=True, kw_only=True)
class Message:
    """`id`: the same at every console. `about`: the entry's id, "" for none. `level`: the severity that it concerns,
    the worse one of two. `at`: UTC. `loud`: sent whatever a service asks for and whatever the limit. `page`: whether it
    raises a page, "resolve" where it ends one.
    """

    id: str
    about: str
    kind: str
    title: str
    body: str
    level: str = "none"
    urgency: Urgency = "info"
    at: datetime
    loud: bool = False
    page: Literal["", "trigger", "resolve"] = ""


def name_of(*parts: str) -> str:
    """One name for what these words identify, 32 hex digits."""
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:32]


def rank(level: str) -> int:
    """0 is the worst; an unknown word is no worse than calm."""
    return LEVELS.index(level) if level in LEVELS else len(LEVELS) - 1


def worse(one: str, other: str) -> str:
    return min(one, other, key=rank)
