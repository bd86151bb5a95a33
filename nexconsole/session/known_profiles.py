"""The profiles that a console may be switched to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..settings import Settings


def _none(name: str) -> Settings:
    return Settings(profile=name)


@dataclass(frozen=True, kw_only=True)
class KnownProfiles:
    """The profiles of the settings. `load` gives one's settings, and may run its commands; `current` is this console's,
    `before` the one that it was switched from, "" for none.
    """

    names: tuple[str, ...] = ()
    load: Callable[[str], Settings] = _none
    current: str = ""
    before: str = ""


NO_PROFILES = KnownProfiles()
