"""The end of a rehearsal: its journals are read, scored, told, and kept if somebody wants them."""

from __future__ import annotations

import logging
import os
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from ...errors import JournalError, in_words
from ...incident.incident import fold
from ...journal import Entry, journal_file, merge, parts_of, read_incident, recent_files
from ...text.units import duration
from .score import Diagnosis, FaultCourse, Reached, Score, advice, score

log = logging.getLogger(__name__)

FORMAT = 1  # of the JSON document
_EVER = datetime.min.replace(tzinfo=UTC)
_LABEL = 9  # columns
_JOINED = "\xa0"  # a space at which textwrap does not break
_SHOWN = 6  # actions of a kind


def entries_in(folder: Path) -> tuple[Entry, ...]:
    """Every entry of a journal folder: of its incidents, wherever written, and of what was done outside of any.

    A folder in which nobody has written holds none; of several files the others count where one can't be read.
    Raises JournalError where the folder can't be.
    """
    entries: list[Entry] = []
    outside = journal_file(folder)
    for file in (outside, *recent_files(folder, _EVER)):
        try:
            entries += read_incident(file).entries if parts_of(file) else ()
        except JournalError as error:
            log.warning("not scored: %s", error)
    return merge(entries)


def debrief(
    record: Mapping[str, Any], entries: tuple[Entry, ...], opened_at: datetime | None, ended_at: datetime
) -> Score:
    """The score of a drill by its record (`Stage.record()`). Without `opened_at` the first console's start counts."""
    if opened_at is None:
        started = min((entry.writer.start for entry in entries), default=ended_at)
        opened_at = max(started.astimezone(UTC), datetime.fromisoformat(record["since"]))
    faults = [fault for fault in record["faults"] if not fault.get("herring")]  # nothing is to be done about others
    return score(fold(entries), [_diagnosis(fault, ended_at) for fault in faults], opened_at, ended_at)


def _diagnosis(fault: Mapping[str, Any], now: datetime) -> Diagnosis:
    ends_at = datetime.fromisoformat(fault["ends_at"]) if fault["ends_at"] else None
    return Diagnosis(
        fault=" at ".join(filter(None, (fault["name"], fault["provider"]))),
        began_at=datetime.fromisoformat(fault["began_at"]),
        target=fault["target"],
        scenarios=tuple(fault["scenarios"]),
        helps=tuple(fault["helps"]),
        harms=tuple(fault["harms"]),
        ended_at=ends_at if ends_at is not None and ends_at <= now else None,
    )


def as_text(found: Score, record: Mapping[str, Any], columns: int = 100) -> str:
    """Five lines or a few more, wrapped at the terminal's width."""
    lines = [f"drill {record['scenario']}, seed {record['seed']}: {duration(found.lasted, exact=True)}"]
    for label, text in _said(found):
        lines += textwrap.wrap(
            text,
            max(40, columns),
            break_on_hyphens=False,
            initial_indent=f"  {label:<{_LABEL}}",
            subsequent_indent=" " * (_LABEL + 2),
        )
    return "\n".join(lines).replace(_JOINED, " ") + "\n"


def _said(found: Score) -> Iterator[tuple[str, str]]:
    for course in found.courses:
        before = course.since - course.fault.began_at
        begun = f" (begun {_together(before)} before the console opened)" if before else ""
        yield "times", f"{course.fault.fault}{begun}: {_times(course)}"
    if not found.courses:
        yield "times", "nothing was wrong"
    yield "actions", "; ".join(_effects(found)) or "none"
    left = "; ".join(open_item.what for open_item in found.standing) or "nothing is still in force"
    skipped = [
        f"{step.title or step.step.rpartition('/')[2]} ({step.reason or 'no reason given'})" for step in found.skipped
    ]
    yield "left", f"{left}; steps skipped: {', '.join(skipped) or 'none'}"
    yield "advice", advice(found)


def _effects(found: Score) -> Iterator[str]:
    for effect, count in found.effects.items():
        names = [judged.action.name for judged in found.actions if judged.effect == effect]
        shown = ", ".join(dict.fromkeys(names[:_SHOWN])) + (", and more" if count > _SHOWN else "")
        if count:
            yield f"{count} {effect}: {shown}"


def _times(course: FaultCourse) -> str:
    marks = {"noticed": course.detect, "named": course.diagnose, "helped": course.mitigate, "calm": course.recover}
    parts = [_reached(word, mark) for word, mark in marks.items() if mark is not None]
    if course.recover is None:
        parts += [
            f"calm after {_together(relapse.after)} for {_together(relapse.lasted)}, then broken again"
            for relapse in course.relapses[-1:]
        ]
    missing = [word for word, mark in marks.items() if mark is None and not (word == "calm" and course.relapses)]
    if missing:
        parts.append(f"never {' or '.join(filter(None, (', '.join(missing[:-1]), missing[-1])))}")
    ended = course.fault.ended_at
    if ended is not None and course.mitigate is None:
        parts.append(f"it ended without you after {_together(max(timedelta(), ended - course.since))}")
    return ", ".join(parts)


def _together(length: timedelta) -> str:
    """A length that no line's end divides."""
    return duration(length, exact=True).replace(" ", _JOINED)


def _reached(word: str, mark: Reached) -> str:
    by = ", ".join(filter(None, (mark.what.rpartition("/")[2], mark.by)))
    return f"{word} after {_together(mark.after)}" + (f" ({by})" if by else "")


def as_json(found: Score, record: Mapping[str, Any]) -> str:
    """The score for scripts: lengths in seconds or null, times ISO 8601 in UTC."""
    document = {
        "format": FORMAT,
        "scenario": record["scenario"],
        "seed": record["seed"],
        "opened_at": found.opened_at,
        "seconds": found.lasted.total_seconds(),
        "faults": [
            {
                "fault": course.fault.fault,
                "began_at": course.fault.began_at,
                "counted_from": course.since,
                "ended_at": course.fault.ended_at,
                "seconds_to": {
                    name: None if mark is None else mark.after.total_seconds()
                    for name, mark in (
                        ("detect", course.detect),
                        ("diagnose", course.diagnose),
                        ("mitigate", course.mitigate),
                        ("recover", course.recover),
                    )
                },
                "relapses": [
                    {"calm_after": each.after.total_seconds(), "seconds": each.lasted.total_seconds()}
                    for each in course.relapses
                ],
            }
            for course in found.courses
        ],
        "effects": found.effects,
        "actions": [
            {"action": action.action.name, "at": action.action.at, "by": action.action.by, "effect": action.effect}
            for action in found.actions
        ],
        "skipped": [{"step": step.step, "reason": step.reason, "by": step.by} for step in found.skipped],
        "standing": [open_item.what for open_item in found.standing],
        "advice": advice(found),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n"


def check_kept(folder: Path) -> None:
    """Raise JournalError unless journals can be kept there: it must be empty, and is made if it isn't there."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        used = any(folder.iterdir())
    except OSError as error:
        raise JournalError(f"{folder}: no journal can be kept there: {in_words(error)}") from error
    if used or not os.access(folder, os.W_OK):
        raise JournalError(f"{folder}: {'is not empty' if used else 'may not be written'}: name another folder")


def keep(journals: Path, folder: Path) -> int:
    """Copy what lies in the drill's journal folder; how many files. Raises JournalError."""
    try:
        files = [file for file in sorted(journals.rglob("*")) if file.is_file()] if journals.is_dir() else []
        for file in files:
            kept = folder / file.relative_to(journals)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, kept)
    except OSError as error:
        raise JournalError(f"{folder}: the journal can't be kept there: {in_words(error)}") from error
    return len(files)
