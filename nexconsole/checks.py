"""What `doctor` says of one thing that was tried."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was tried. state: ok, warn (something on screen will be missing), fail, absent.

    `advice` says what to do about it; "" where nothing is to be done."""

    area: str
    what: str
    state: str
    said: str
    advice: str = ""
