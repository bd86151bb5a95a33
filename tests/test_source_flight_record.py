"""The flight record's figures as they are read back, whatever lies in its place."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from nexconsole.errors import NotConfigured, SourceError
from nexconsole.recording.database import open_for_writing
from nexconsole.settings import Settings
from nexconsole.sources import open_sources
from nexconsole.sources.flight_record import MOST_POINTS, FlightRecordSource, flight_record_file
from nexconsole.storage.schema import FLIGHT_RECORD, POINT

NOON = 1_795_000_000.0
RATE = ("failure_rate", "")


def ns(seconds: float) -> int:
    return int((NOON + seconds) * 1e9)


def written(file: Path, figures: Mapping[tuple[str, str], Mapping[int, list[tuple[float, float]]]]) -> None:
    """By figure, and by where a stretch begins (s after noon): the points as (s after its begin, value)."""
    with closing(open_for_writing(file, FLIGHT_RECORD, time.monotonic())) as connection:
        for number, ((metric, subject), stretches) in enumerate(figures.items(), 1):
            connection.execute("INSERT INTO figure VALUES (?, ?, ?)", (number, metric, subject))
            for begin, points in stretches.items():
                packed = b"".join(POINT.pack(int(at * 1000), value) for at, value in points)
                connection.execute("INSERT INTO points VALUES (?, ?, ?)", (ns(begin), number, packed))
        connection.execute("INSERT INTO span VALUES (?, ?, '{}', '')", (ns(0), ns(1200)))


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "flight" / "x.record"


async def test_each_figure_is_given_in_order_with_whose_it_is(record: Path) -> None:
    two = {0: [(0, 0.1), (10, 0.2)], 600: [(0, 0.3)]}
    written(record, {RATE: two, ("failure_rate", "5sim"): {0: [(0, 0.5)]}, ("attempts", ""): {0: [(0, 40)]}})
    source = FlightRecordSource(record)
    found = await source.series(["failure_rate"], NOON, NOON + 1200)
    assert found == {
        RATE: ((NOON, 0.1), (NOON + 10, 0.2), (NOON + 600, 0.3)),
        ("failure_rate", "5sim"): ((NOON, 0.5),),
    }
    assert await source.span() == (NOON, NOON + 1200)


async def test_a_stretch_that_began_before_is_told_from_the_asked_time_on(record: Path) -> None:
    written(record, {RATE: {0: [(0, 1), (10, 2), (20, 3)], 600: [(0, 4), (10, 5)]}})
    source = FlightRecordSource(record)
    found = await source.series(["failure_rate"], NOON + 10, NOON + 600)
    assert [value for _, value in found[RATE]] == [2, 3, 4]
    assert await source.series(["failure_rate"], NOON + 700, float("inf")) == {}
    assert await source.series(["outbox_pending"], float("-inf"), float("inf")) == {}


async def test_many_points_are_thinned_to_the_median_of_equal_stretches(record: Path) -> None:
    spikes = [(at, 99.0 if at % 50 == 0 else 1.0) for at in range(5 * MOST_POINTS)]
    written(record, {RATE: {0: spikes}})
    points = (await FlightRecordSource(record).series(["failure_rate"], NOON, NOON + 1e6))[RATE]
    assert len(points) == MOST_POINTS and {value for _, value in points} == {1.0}
    assert [at for at, _ in points] == sorted(at for at, _ in points)


def empty(file: Path) -> None:
    file.parent.mkdir()
    file.touch()


async def test_where_nothing_was_recorded_yet_there_is_nothing(record: Path) -> None:
    source = FlightRecordSource(record)
    assert await source.series(["failure_rate"], 0, 1e10) == {} and await source.span() is None
    empty(record)
    assert await source.series(["failure_rate"], 0, 1e10) == {} and await source.span() is None


def foreign(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE points (begin, figure, points)")


def changed(statement: str) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        written(file, {RATE: {0: [(0, 1)]}})
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute(statement)

    return change


def torn(file: Path) -> None:
    written(file, {RATE: {0: [(at, 1) for at in range(2000)]}})
    with file.open("r+b") as opened:
        opened.seek(4096)
        opened.write(b"\xff" * (file.stat().st_size - 4096))


BAD: dict[str, Callable[[Path], object]] = {
    "words": lambda file: file.write_bytes(b"not a database" * 100),
    "a link": lambda file: file.symlink_to("/etc/passwd"),
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "another program's": foreign,
    "a newer version's": changed("PRAGMA user_version = 9"),
    "a view": changed("CREATE VIEW v AS SELECT 1"),
    "words for points": changed("UPDATE points SET points = 'twelve bytes'"),
    "half a point": changed("UPDATE points SET points = x'0011'"),
    "a number for a name": changed("UPDATE figure SET metric = x'00'"),
    "a damaged one": torn,
}


@pytest.mark.parametrize("what", BAD)
async def test_what_is_no_flight_record_is_refused_in_a_sentence(record: Path, what: str) -> None:
    record.parent.mkdir()
    BAD[what](record)
    source = FlightRecordSource(record)
    with pytest.raises(SourceError, match=str(record)):
        await source.series(["failure_rate"], 0, 1e10)


async def test_a_value_that_is_no_number_is_left_out(record: Path) -> None:
    written(record, {RATE: {0: [(0, float("nan")), (10, float("inf")), (20, 1.0)]}})
    assert (await FlightRecordSource(record).series(["failure_rate"], 0, 1e10))[RATE] == ((NOON + 20, 1.0),)


async def test_each_installation_has_a_record_and_no_password_makes_another_one() -> None:
    def file(url: str, **more: object) -> Path:
        return flight_record_file(msgspec.convert({"postgres": {"url": url}, **more}, Settings))

    assert file("postgresql://a:one@db:5432/nexnum") == file("postgresql://b:two@db:5432/nexnum?sslmode=require")
    assert file("postgresql://db:5432/nexnum") != file("postgresql://db:5432/staging")
    assert file("host=db password=one dbname=n") == file("host=db password=two dbname=n")
    assert file("x", recorder={"file": "/srv/flight.record"}) == Path("/srv/flight.record")


async def test_without_a_recorder_there_is_no_record() -> None:
    with pytest.raises(NotConfigured, match=r"recorder\.enabled"):
        _ = open_sources(msgspec.convert({"recorder": {"enabled": False}}, Settings)).record
    sources = open_sources(Settings())
    assert sources.record.file.parent.name == "flight"
    await sources.close()
