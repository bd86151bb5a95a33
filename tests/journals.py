"""What stands in the journals of a test's folder."""

from __future__ import annotations

from pathlib import Path

from nexconsole.journal import Entry, journal_file, merge, read_incident


def written(folder: Path, name: str = "outside-incidents") -> tuple[Entry, ...]:
    """The entries of one journal, of all its files, in order."""
    return merge(read_incident(journal_file(folder, name)).entries)


def own_file(folder: Path, name: str = "outside-incidents", account: str = "maria") -> Path:
    """The file that an account writes in a journal."""
    return folder / name / f"{account}.jsonl"
