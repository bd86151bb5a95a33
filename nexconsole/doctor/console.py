"""This host: the console's folders, and free disk space."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from .. import paths
from ..actions.registry import ACTIONS
from ..errors import JournalError
from ..journal import journal_folder, try_folder
from ..model import utc_now
from ..settings import Settings
from ..signals.registry import problems
from ..sources import NO_RECORD, Sources
from .check import Check

# A journal and a recording are some 25 MB an incident at most.
ENOUGH_BYTES, LEAST_BYTES = 200_000_000, 25_000_000
ENOUGH_FILES, LEAST_FILES = 500, 50


def examine(settings: Settings) -> list[Check]:
    """The log's folder, the journal's, and the installed actions."""
    return [_log_folder(), _journal(settings), *_plugins(settings)]


async def flight_record(sources: Sources) -> Check:
    """Whether the last hours are recorded, and since when."""
    what = "flight record"
    state = await sources.record_state()
    if state is None:
        return Check(area="console", what=what, state="absent", said=NO_RECORD, advice="set recorder.enabled")
    said = state.said(utc_now())
    if state.error is None:
        return Check(area="console", what=what, state="ok", said=said)
    return Check(area="console", what=what, state="warn", said=said, advice="move it away: a new one is begun then")


def _plugins(settings: Settings) -> list[Check]:
    """A warning for each action, signal and probe of an installed package or of the settings that is left out."""
    advice = "mend the package or the settings, or take it out"
    left_out = [("action", said) for said in ACTIONS.problems] + [("signal", said) for said in problems(settings)]
    return [Check(area="console", what=what, state="warn", said=said, advice=advice) for what, said in left_out]


def _log_folder() -> Check:
    folder = paths.state_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        writable = os.access(folder, os.W_OK)
    except OSError:
        writable = False
    if writable:
        return with_room(Check(area="console", what="state folder", state="ok", said=str(folder)), folder)
    advice = "make it writable, or set XDG_STATE_HOME to a folder that is"
    return Check(area="console", what="state folder", state="warn", said=f"{folder} can't be written", advice=advice)


def _journal(settings: Settings) -> Check:
    folder = journal_folder(settings)
    try:
        try_folder(folder)
    except JournalError as error:
        advice = "actions are recorded there: make it writable (a shared one: install -d -m 3770 -g GROUP FOLDER)"
        return Check(area="console", what="journal", state="fail", said=str(error), advice=advice)
    return with_room(Check(area="console", what="journal", state="ok", said=str(folder)), folder)


def with_room(check: Check, folder: Path) -> Check:
    """The check unchanged where the disk has room for an incident; else a warning or failure."""
    found = os.statvfs(folder)
    free, files = found.f_bavail * found.f_frsize, found.f_favail if found.f_files else ENOUGH_FILES
    if free >= ENOUGH_BYTES and files >= ENOUGH_FILES:
        return check
    left = f"{free / 1e6:.0f} MB" if free < ENOUGH_BYTES else f"{files} files"
    state = "fail" if free < LEAST_BYTES or files < LEAST_FILES else "warn"
    said = f"{folder}: its disk has room for {left} only"
    return replace(check, state=state, said=said, advice="make room: journals and recordings of an incident go there")
