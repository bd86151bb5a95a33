"""One check of `doctor`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from ..errors import NotConfigured, SourceError


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check. state: ok, warn (something will be missing on screen), fail, absent. `advice` is what to do, or ""."""

    area: str
    what: str
    state: str
    said: str
    advice: str = ""


async def attempt(area: str, what: str, act: Callable[[], Awaitable[str]], advice: str, worst: str = "fail") -> Check:
    """A check from a call that returns what it found or raises a SourceError."""
    try:
        return Check(area=area, what=what, state="ok", said=await act())
    except (SourceError, NotConfigured) as error:
        return Check(area=area, what=what, state=worst, said=str(error), advice=advice)
