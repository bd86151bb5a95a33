"""What was seen in a play, kept in a file: rules can be tried on it again without a world."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from nexconsole.model import Reading
from nexconsole.settings import Settings
from nexconsole.severity import Severity

from .scoring import Play


class Seen(NamedTuple):
    """The readings at one moment, `after_s` seconds after the fault could show."""

    after_s: float
    now: datetime
    settings: Settings
    readings: dict[str, Reading]
    severity: Severity | None


def write(folder: Path, play: Play, seen: Sequence[Seen]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{play.scenario}-{play.seed}.pickle").write_bytes(pickle.dumps((play.scenario, play.seed, seen)))


def plays(folder: Path) -> Iterator[tuple[str, int, tuple[Seen, ...]]]:
    """The scenario's name, the seed and what was seen of each play. Only for files that one has made oneself.

    It is seen with the settings of now: those of then may have lacked fields.
    """
    for file in sorted(folder.glob("*.pickle")):
        name, seed, seen = pickle.loads(file.read_bytes())
        yield name, seed, tuple(each._replace(settings=Settings()) for each in seen)
