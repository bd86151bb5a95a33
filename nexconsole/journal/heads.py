"""Heads: how far each console has read what others wrote. What its writer takes back or rewrites later is found by
them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..text.sanitize import clean
from ..text.units import clock
from .entries import Entry, EntryKind, JournalProblem, Writer
from .layout import JOURNAL, JournalPart, Origin, parts_folder
from .reader import JournalScan

MOST_HEADS = 200  # in one entry
MOST_HELD = 20_000  # heads of a journal that are compared


def heads_of(entries: Iterable[Entry], me: Writer, held: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The last entry of every other writer, by the writer's key, as far as it is not in `held` yet."""
    last: dict[Writer, Entry] = {}
    for entry in entries:
        if entry.counts and entry.intact and entry.writer != me:
            before = last.get(entry.writer)
            if before is None or entry.seq > before.seq:
                last[entry.writer] = entry
    heads = {writer.key: {"seq": entry.seq, "digest": entry.digest} for writer, entry in last.items()}
    new = {key: head for key, head in heads.items() if held.get(key) != head}
    return dict(sorted(new.items())[:MOST_HEADS])


def against_heads(journal: Path, scans: Mapping[JournalPart, JournalScan]) -> Iterator[tuple[Path, JournalProblem]]:
    """What others have read and is not there any more, or is another now, with the file in which it should stand."""
    entries = tuple(entry for scan in scans.values() for entry in scan.entries)
    by_digest = {entry.digest for entry in entries}
    numbers: dict[str, dict[int, Entry]] = {}
    files: dict[str, Path] = {}
    for part, scan in scans.items():
        for entry in scan.entries:
            if not entry.counts:  # it stands in another's file
                continue
            files.setdefault(entry.writer.key, part.file)
            if part.origin is Origin.OWN:
                files[entry.writer.key] = part.file
    for entry in entries:
        numbers.setdefault(entry.writer.key, {})[entry.seq] = entry
    for (key, seq, digest), holders in _held(entries).items():
        if digest in by_digest:
            continue
        known = numbers.get(key, {})
        file = files.get(key, parts_folder(journal) / f"{key.partition('@')[0]}{JOURNAL}")
        who = ", ".join(holders)
        alone = "" if len(holders) > 1 else ", as nobody else says"
        if seq in known:
            sentence = f"entry {seq} of {key} was rewritten: {who} held another{alone}"
            yield file, JournalProblem(line=0, what="edited", sentence=sentence)
        else:
            newest = max((number for number in known if number < seq), default=0)
            some = f"entries {newest + 1} to {seq}" if newest + 1 < seq else f"entry {seq}"
            sentence = f"{some} of {key}: {who} held the last of them{alone}"
            yield file, JournalProblem(line=0, what="missing", sentence=sentence)


def _held(entries: Iterable[Entry]) -> dict[tuple[str, int, str], list[str]]:
    """Each head that counts, with who holds it and since when; of one writer's the furthest of each holder."""
    furthest: dict[tuple[str, str], tuple[int, str, Entry]] = {}
    for entry in entries:
        heads = entry.data.get("heads")
        if entry.kind != EntryKind.HEAD or not entry.counts or not isinstance(heads, dict):
            continue
        for key, head in list(heads.items())[:MOST_HEADS]:
            if len(furthest) >= MOST_HELD or not isinstance(head, dict):
                break
            seq, digest = head.get("seq"), head.get("digest")
            if not isinstance(seq, int) or not isinstance(digest, str) or isinstance(seq, bool):
                continue
            place = (entry.writer.key, str(key))
            if place not in furthest or seq > furthest[place][0]:
                furthest[place] = (seq, digest, entry)
    held: dict[tuple[str, int, str], list[str]] = {}
    for (_, key), (seq, digest, entry) in furthest.items():
        who = f"{entry.writer}@{clean(entry.writer.host, 100)} ({clock(entry.at)})"
        held.setdefault((clean(key, 300), seq, digest), []).append(who)
    return held
