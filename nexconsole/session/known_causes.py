"""The causes that the runbooks know, read beside the loop, for a monitor that ranks them from then on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from ..errors import SettingsError

if TYPE_CHECKING:
    from ..settings import Settings
    from .monitor import Explain, Monitor


def read_shipped() -> None:
    """Read the runbook and the causes that come with the console, each of which is kept.

    To be done before more is imported: that takes the 4 MB which are free when they are read.
    """
    from ..causes import chapters
    from ..runbook import library

    with suppress(SettingsError):  # whoever needs them says so
        library.shipped()
        chapters.shipped()


async def know_causes(monitor: Monitor, settings: Settings) -> tuple[str, ...]:
    """From now on the monitor explains. Returns a sentence for each chapter of the team's that can't be understood."""
    explain, problems = await asyncio.to_thread(explainer, settings)
    monitor.explain_with(explain)
    return problems


def explainer(settings: Settings) -> tuple[Explain, tuple[str, ...]]:
    """What ranks the causes in force, and what could not be taken; ours alone where the team's folder can't be read."""
    from ..actions.registry import COMMANDS  # with all actions behind it; nothing that the first paint waits for
    from ..causes import chapters, ranking

    try:
        library = chapters.load(settings, COMMANDS)
    except SettingsError:  # the library of scenarios says so
        library = chapters.load(msgspec.structs.replace(settings, runbooks=""), COMMANDS)
    problems = tuple(f"{file}:{problem.line}: {problem.text}" for file, problem in library.problems)
    return partial(ranking.explain, library.causes), problems
