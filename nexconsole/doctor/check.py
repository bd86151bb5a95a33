"""What `doctor` says of one thing that was tried."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..errors import NotConfigured, SourceError


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was tried. state: ok, warn (something on screen will be missing), fail, absent.

    `advice` says what to do about it; "" where nothing is to be done."""

    area: str
    what: str
    state: str
    said: str
    advice: str = ""


async def attempt(area: str, what: str, act: Callable[[], Awaitable[str]], advice: str, worst: str = "fail") -> Check:
    """A check from something that returns what it saw or raises a SourceError."""
    try:
        return Check(area=area, what=what, state="ok", said=await act())
    except (SourceError, NotConfigured) as error:
        return Check(area=area, what=what, state=worst, said=str(error), advice=advice)
