"""The flight record: what the consoles of this account keep of the last hours, read while it is written.

It is a file of ours and no system of NexNum's: it has no place among the sources' health.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from .. import paths
from ..errors import BadAnswer, JournalError, Missing, SettingsError, SourceError, TimedOut
from ..settings import Settings
from ..storage.schema import FLIGHT_RECORD, POINT
from ..storage.sqlite_file import EmptyRecording, open_for_reading, sentence
from ..text.sanitize import clean
from ..text.units import ago, duration, moment, period
from .threads import AllHang, Threads

Point = tuple[float, float]  # seconds since 1970, value
Series = Mapping[tuple[str, str], tuple[Point, ...]]
T = TypeVar("T")

NAME = "record"
TIMEOUT_S = 3.0
RECENT_S = 60.0  # whose newest reading is younger is being written
MOST_FIGURES, MOST_POINTS = 2_000, 4_000  # of an answer; of each
MOST_BYTES = 64 << 20  # of an answer's rows
LONGEST = 64  # characters of a figure's name, or of whose it is
_S = 1e9  # nanoseconds
_FIRST = "SELECT coalesce((SELECT max(begin) FROM points WHERE begin <= ?), 0)"
_POINTS = "SELECT begin, figure, points FROM points WHERE begin >= ? AND begin <= ? ORDER BY begin"
_SPAN = "SELECT (SELECT begin FROM span ORDER BY begin LIMIT 1), (SELECT end FROM span ORDER BY begin DESC LIMIT 1)"
_LAST_NS = (1 << 63) - 1


def flight_record_file(settings: Settings) -> Path:
    """Where the flight record of this installation lies: what differs by its main address has a record of its own.

    Raises SettingsError where this account has no home folder.
    """
    if named := settings.recorder.file:
        return Path(named).expanduser()
    address = next(filter(None, _addresses(settings)), "")
    mark = hashlib.sha256(address.encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return paths.state_folder() / "flight" / f"{mark}.record"


def open_flight_record(settings: Settings) -> FlightRecordSource | None:
    """Opens no file yet; None where nothing is recorded."""
    if not settings.recorder.enabled:
        return None
    try:
        return FlightRecordSource(flight_record_file(settings))
    except SettingsError:  # no home folder
        return None


def _addresses(settings: Settings) -> Iterator[str]:
    """The addresses that tell installations apart, without credentials, the best one first."""
    kubernetes, docker = settings.kubernetes, settings.docker
    cluster = (kubernetes.kubeconfig, kubernetes.context, kubernetes.namespace, kubernetes.deployment)
    yield _place(settings.postgres.url)
    yield " ".join(cluster) if kubernetes.kubeconfig else ""
    yield " ".join((docker.host, docker.project, docker.app)) if docker.host else ""
    yield from map(_place, (settings.prometheus.url, settings.redis.url, settings.api.url))


def _place(url: str) -> str:
    if url and "://" not in url:  # libpq's words
        return " ".join(word for word in url.split() if word.startswith(("host", "port", "dbname")))
    return url.rpartition("@")[2].partition("?")[0]


@dataclass(frozen=True, kw_only=True)
class RecordState:
    """From when to when there is something (UTC), None where there is nothing yet; `error` is why it can't be read."""

    since: datetime | None = None
    until: datetime | None = None
    error: str | None = None

    def said(self, now: datetime) -> str:
        if self.error is not None:
            return f"NOT KNOWN: {self.error}"
        if self.since is None or self.until is None:
            return "nothing is recorded yet: a console keeps it while it runs, and so does `nexconsole record`"
        age = (now - self.until).total_seconds()
        newest = "records now" if age <= RECENT_S else f"nobody records now: the newest is {ago(age)}"
        return f"since {moment(self.since)}, {duration(self.until - self.since)}; {newest}"


class FlightRecordSource:
    """Reads `file`, which need not be there yet."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._threads = Threads(1, "flight record")

    async def series(self, figures: Sequence[str], start: float, end: float) -> Series:
        """By (figure, subject) the points from `start` to `end` (seconds since 1970), in order; {} for nothing.

        Where there are more than MOST_POINTS, each stands for an equal stretch and is the median of it. Raises
        SourceError.
        """
        wanted = tuple(dict.fromkeys(figures))
        return await self._asked(lambda file: _series(file, wanted, start, end), {})

    async def span(self) -> tuple[float, float] | None:
        """From when to when there is something (seconds since 1970); None: nothing yet. Raises SourceError."""
        return await self._asked(_span, None)

    async def state(self) -> RecordState:
        """What there is, in words for people; never raises."""
        try:
            span = await self.span()
        except SourceError as error:
            return RecordState(error=str(error))
        if span is None:
            return RecordState()
        since, until = (datetime.fromtimestamp(at, UTC) for at in span)
        return RecordState(since=since, until=until)

    def close(self) -> None:
        self._threads.close()

    async def _asked(self, question: Callable[[Path], T], nothing: T) -> T:
        file = self.file
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._threads.run(partial(question, file), TIMEOUT_S)
        except (FileNotFoundError, EmptyRecording):
            return nothing
        except (TimeoutError, AllHang) as error:
            late = f"the flight record could not be read within {period(TIMEOUT_S)}: {file}"
            raise TimedOut(NAME, late) from error
        except JournalError as error:
            raise BadAnswer(NAME, clean(str(error), 300)) from error
        except (OSError, sqlite3.Error) as error:
            raise Missing(NAME, f"{file}: can't be read: {sentence(error)}") from error
        except ValueError as error:
            raise BadAnswer(NAME, f"{file}: can't be read: {clean(str(error), 200)}") from error


def _span(file: Path) -> tuple[float, float] | None:
    with closing(open_for_reading(file, FLIGHT_RECORD, repair=False)[0]) as connection:
        begin, end = connection.execute(_SPAN).fetchone()
    if not isinstance(begin, int) or not isinstance(end, int):
        return None
    return begin / _S, end / _S


def _series(file: Path, wanted: Sequence[str], start: float, end: float) -> Series:
    first, last = _nanoseconds(start), _nanoseconds(end)
    with closing(open_for_reading(file, FLIGHT_RECORD, repair=False)[0]) as connection:
        names = _names(connection, wanted)
        if not names:
            return {}
        (begin,) = connection.execute(_FIRST, (first,)).fetchone()
        points: dict[int, list[Point]] = {}
        for at, figure, packed in _rows(connection, begin, last, names):
            points.setdefault(figure, []).extend(_unpacked(at, packed))
    within = {figure: _between(found, start, end) for figure, found in points.items()}
    return {names[figure]: _thinned(found) for figure, found in within.items() if found}


def _names(connection: sqlite3.Connection, wanted: Sequence[str]) -> dict[int, tuple[str, str]]:
    rows = connection.execute("SELECT id, metric, subject FROM figure LIMIT ?", (MOST_FIGURES,)).fetchall()
    if not all(isinstance(row[0], int) and isinstance(row[1], str) and isinstance(row[2], str) for row in rows):
        raise ValueError("a row of it is not what a flight record holds")
    return {id: (metric, clean(subject, LONGEST)) for id, metric, subject in rows if metric in wanted}


def _rows(
    connection: sqlite3.Connection, begin: int, end: int, names: Mapping[int, object]
) -> Iterator[tuple[int, int, bytes]]:
    """Those of the wanted figures, all read before the first is given: an open query keeps the recorder waiting."""
    found: list[tuple[int, int, bytes]] = []
    size = 0
    with closing(connection.execute(_POINTS, (begin, end))) as cursor:
        for at, figure, packed in cursor:
            if figure not in names:
                continue
            if not isinstance(at, int) or not isinstance(packed, bytes) or len(packed) % POINT.size:
                raise ValueError("a row of it is not what a flight record holds")
            size += len(packed)
            if size > MOST_BYTES:
                raise ValueError("it holds more than a flight record does")
            found.append((at, figure, packed))
    yield from found


def _unpacked(at: int, packed: bytes) -> list[Point]:
    begin = at / _S
    return [(begin + milliseconds / 1e3, value) for milliseconds, value in POINT.iter_unpack(packed)]


def _between(points: list[Point], start: float, end: float) -> list[Point]:
    return [point for point in points if start <= point[0] <= end and math.isfinite(point[1])]


def _thinned(points: list[Point]) -> tuple[Point, ...]:
    if len(points) <= MOST_POINTS:
        return tuple(points)
    begin, length = points[0][0], (points[-1][0] - points[0][0]) / MOST_POINTS
    stretches: dict[int, list[Point]] = {}
    for point in points:
        stretches.setdefault(min(int((point[0] - begin) / length), MOST_POINTS - 1), []).append(point)
    return tuple((stretch[len(stretch) // 2][0], _median(stretch)) for stretch in stretches.values())


def _median(stretch: Sequence[Point]) -> float:
    return sorted(value for _, value in stretch)[(len(stretch) - 1) // 2]


def _nanoseconds(at: float) -> int:
    return int(min(max(at * _S, -_LAST_NS), _LAST_NS)) if math.isfinite(at) else (_LAST_NS if at > 0 else -_LAST_NS)
