"""Findings and checks on data and security, shared by the modules that make them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from ..settings import Settings
    from ..sources import Sources

Kind = Literal["data", "security"]
RANK = {"SEV-1": 0, "SEV-2": 1, "SEV-3": 2, "none": 3}  # the worst first


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One finding. `level` "none": worth knowing, no reason to wake anybody.

    `about` and `explains` are the `Judgement`'s that it gives.
    """

    kind: Kind
    level: str
    text: str
    advice: str = ""
    about: str = ""
    explains: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class IntegrityCheck:
    """One check; `at` (UTC) is its last success, `said` what it read, in a few words.

    `error` is why it can't run now. Its earlier findings stay until it runs again.
    """

    name: str
    at: datetime | None = None
    said: str = ""
    findings: tuple[Finding, ...] = ()
    error: str = ""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """How a wallet's balance stood beside the sum of its transactions when it was first looked at.

    `whole` counts every row, `moved` none of holds and their releases. `off`: it stood otherwise the last time.
    """

    whole: float
    moved: float
    off: bool = False


@dataclass(frozen=True, kw_only=True)
class KeyspaceState:
    """What Redis was when it was last looked at. `lost_at`: when it was seen to have lost its data."""

    run_id: str
    keys: int
    flushes: int
    evicted: int
    lost_at: datetime | None = None
    lost: str = ""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What one look has to know of those before it. `moved` are wallets whose money changed without a transaction."""

    bad: tuple[str, ...] = ()
    drifts: dict[str, Drift] = field(default_factory=dict)
    moved: dict[str, float] = field(default_factory=dict)
    primary: bool | None = None
    redis: KeyspaceState | None = None
    routes_at: datetime | None = None
    journals: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What a look gives: what was looked at, what it found, and what the next one has to know. None: nothing new."""

    said: str
    findings: tuple[Finding, ...] = ()
    memory: Memory


Look = Callable[["Sources", "Settings", Memory, datetime], Awaitable["CheckResult | None"]]
