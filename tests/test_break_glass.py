"""The break-glass sheet: what it says, whether its commands do what they say, how it is kept, and how it is printed."""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import msgspec
import pytest
import sample_readings as sample
from hypothesis import given
from hypothesis import strategies as st
from incident_story import whole

from nexconsole.actions import shell_commands
from nexconsole.actions.by_hand import CommandContext
from nexconsole.break_glass.remedies import emergency_commands, laid_out
from nexconsole.break_glass.sheet import PARTLY, WHOLE, SheetContext, SheetRow, rows, sheet, unchanged
from nexconsole.break_glass.store import SheetStore, before_file, keep, keep_report, kept, sheet_file
from nexconsole.cli.main import run
from nexconsole.errors import FileError
from nexconsole.incident.incident import fold
from nexconsole.settings import Settings
from nexconsole.severity import judge
from nexconsole.signals import database as database_signal

SECRETS = {"password": "s3cr3tV4lue99", "cron": "cr0nS3cret77", "token": "adm1nT0ken55"}
SETTINGS = msgspec.convert(
    {
        "name": "nexnum-eu",
        "postgres": {"url": f"postgresql://nexnum:{SECRETS['password']}@db.nexnum:5432/nexnum"},
        "redis": {"url": f"redis://default:{SECRETS['password']}@cache.nexnum:6379"},
        "api": {"url": "https://api.nexnum", "cron_secret": SECRETS["cron"], "admin_token": SECRETS["token"]},
        "break_glass": {"contacts": {"database on-call": "+31 20 555 0100"}, "links": {"Grafana": "https://g.nexnum"}},
    },
    Settings,
)
PSQL = shutil.which("psql")


def taken(world: str = "incident", later: float = 0.0, settings: Settings = SETTINGS, **known) -> tuple[SheetRow, ...]:
    readings, now = sample.WORLDS[world](), sample.NOW + timedelta(seconds=later)
    incident = fold(whole().entries)
    return rows(
        readings, judge(readings, settings, now), incident, settings, now, SheetContext(health=sample.health(), **known)
    )


def text_of(found: tuple[SheetRow, ...]) -> str:
    return "".join(f"{row.whole}\n" for row in found)


def command(found: tuple[SheetRow, ...], does: str) -> str:
    return next(row.command for row in found if row.kind == "does" and does in row.text)


# --- what it says -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", ["calm", "incident", "stale", "unconfigured"])
def test_it_is_plain_text_that_a_terminal_of_80_columns_shows_whole(world):
    for row in taken(world):
        assert len(row.whole) <= 80 or row.kind == "command", row.whole
        assert row.whole.isprintable()
    assert max(len(row.whole) for row in taken(world)) <= 90


def test_it_says_the_severity_the_values_with_their_ages_and_what_still_stands():
    text = text_of(taken(incident="INC-20261123-1342"))
    for words in (
        "SEV-1  17.8 % of purchases fail",
        "PRODUCTION nexnum-eu",
        "Written 2026-01-23 14:07:31Z",
        "transactions  fresh, read 2026-01-23 14:07:30Z, 1 s before",
        "smsbower: 66 of 120 failed, 55 %",
        "smsbower: open, active, id 0000-smsbower",
        "pid 4312 nexnum-app idle in transaction, 38 s: blocks",
        "INCIDENT INC-20261123-1342",
        "STILL IN FORCE: smsbower is disabled",
        "database on-call: +31 20 555 0100",
        "Grafana: https://g.nexnum",
        WHOLE,
    ):
        assert words in text, words


def test_what_is_stale_or_was_never_read_is_said_with_the_reason():
    readings = sample.stale()
    text = text_of(taken("stale"))
    stale = next(name for name, one in readings.items() if one.value is not None and one.error is not None)
    assert f"{stale:<13} STALE, read 2026-01-23" in text
    assert " ".join(readings[stale].error.split()[:4]) in text
    assert PARTLY in text and WHOLE not in text


def test_sources_that_cannot_be_reached_stand_at_the_top_and_below_with_their_reason():
    health = sample.health(broken=True)
    readings = sample.stale()
    text = text_of(rows(readings, None, None, SETTINGS, sample.NOW, SheetContext(health=health)))
    gone = [one.name for one in health if one.error]
    assert gone and f"CAN'T BE REACHED: {', '.join(gone)}." in "\n".join(text.splitlines()[:6])
    assert all(one.error.split()[0] in text for one in health if one.error)


def test_where_nothing_was_ever_read_the_commands_have_placeholders():
    text = sheet({}, None, None, Settings(), sample.NOW)
    for words in (
        "not known: nothing was read yet",
        "PROVIDER_ID",
        "pid = PID",
        "LOCK_KEY ITS_VALUE",
        "--current-replicas=NOW",
        "rollout undo deployment/nexnum-app",
        "/api/cron/reconcile",
        "none set: break_glass.contacts",
    ):
        assert words in text, words


def test_targets_are_those_of_the_readings():
    found = taken()
    assert "0000-smsbower" in command(found, "disable smsbower")
    assert "pid = 4312" in command(found, "end it").replace("\n", " ")
    assert "--current-replicas=3" in command(found, "from 3 pods to 5")
    assert "delete pod nexnum-app-7c9d5b6f4-9hw7d" in command(found, "one pod that is not ready")


def test_the_money_that_reconcile_would_create_is_warned_of_before_its_command():
    found = taken()
    warned = next(n for n, row in enumerate(found) if row.text.startswith("  MONEY:"))
    runs = next(n for n, row in enumerate(found) if row.kind == "does" and "run it;" in row.text)
    assert warned < runs and "never paid" in text_of(found[warned:runs])


def test_no_secret_is_in_it_wherever_it_came_from():
    glass = {"contacts": {"vault": f"password {SECRETS['token']}"}}
    settings = msgspec.structs.replace(SETTINGS, break_glass=msgspec.convert(glass, type(SETTINGS.break_glass)))
    readings = sample.stale()
    leaky = {
        name: replace(one, error=f"refused for {SECRETS['password']}") if one.error else one
        for name, one in readings.items()
    }
    found = rows(leaky, None, None, settings, sample.NOW, SheetContext(health=sample.health(True)))
    assert not [word for word in SECRETS.values() if word in text_of(found) + "".join(row.command for row in found)]
    assert '"Authorization: Bearer $CRON_SECRET"' in text_of(found)


def test_hostile_names_stay_one_harmless_line():
    reading = sample.incident()["circuits"]
    evil = "x\x1b[31m\n$(reboot)'; DROP TABLE providers; --\u202e"
    bad = replace(reading.value.providers[0], name=evil, id=evil)
    readings = sample.incident() | {"circuits": replace(reading, value=replace(reading.value, providers=(bad,)))}
    found = rows(readings, None, None, SETTINGS, sample.NOW)
    assert all("\x1b" not in row.whole and "\u202e" not in row.whole and "\n" not in row.whole for row in found)


def test_thousands_of_providers_make_it_no_longer_than_a_person_reads():
    transactions = sample.incident()["transactions"]
    failing = next(one for one in transactions.value.providers if one.name == "smsbower")
    many = tuple(replace(failing, name=f"provider-{n}") for n in range(5_000))
    readings = {"transactions": replace(transactions, value=replace(transactions.value, providers=many))}
    severity = judge(readings, SETTINGS, sample.NOW)
    found = rows(readings, severity, None, SETTINGS, sample.NOW)
    assert len(found) < 400
    assert any(row.text == f"  and {len(severity.reasons) - 15} more" for row in found)


# --- its commands -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", ["incident", "unconfigured"])
def test_every_command_is_one_that_a_shell_understands(world):
    commands = {row.command for row in taken(world) if row.command}
    assert len(commands) > 25
    for one in commands:
        done = subprocess.run(["bash", "-n", "-c", one], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), one


WORDS = st.lists(st.text("ab'\"; \\$", min_size=1, max_size=30), min_size=1, max_size=12)


@given(WORDS)
def test_a_command_in_lines_is_the_same_command(words):
    whole_command = shlex.join(words)
    assert laid_out(whole_command).replace(" \\\n  ", " ") == whole_command.strip()


@given(st.lists(st.sampled_from(["SELECT", "a", "'b  c'", "'it''s'", '"q q"', "FROM", "x" * 40]), max_size=30))
def test_sql_in_lines_keeps_what_is_quoted(words):
    sql = " ".join(words)
    folded = shell_commands.folded(sql, 30)
    assert folded.replace("\n", " ") == sql
    assert all(line.count("'") % 2 == 0 for line in folded.split("\n"))


async def run_sql(found: tuple[SheetRow, ...], does: str, connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """What psql would be given, sent by another client."""
    return await connection.fetch(shlex.split(command(found, does))[-1])


async def test_its_sql_disables_that_provider_alone_and_brings_it_back(database):
    await database.execute(
        "INSERT INTO providers (id, name, display_name, is_active, updated_at)"
        " SELECT '0000-' || name, name, name, true, now() FROM unnest(ARRAY['smsbower', '5sim']) name"
    )
    found = taken()
    assert [row["name"] for row in await run_sql(found, "disable smsbower", database.connection)] == ["smsbower"]
    active = "SELECT name FROM providers WHERE is_active"
    assert [row["name"] for row in await database.connection.fetch(active)] == ["5sim"]
    assert await run_sql(found, "disable smsbower", database.connection) == []
    assert len(await run_sql(found, "and back", database.connection)) == 1
    assert len(await run_sql(found, "the list with ids", database.connection)) == 2


async def test_it_ends_the_session_that_was_read_and_none_that_has_its_pid_later(database, sources_on):
    sources = sources_on(database.url)
    sources.load()
    await sources.loaded()
    holder, waiter = await asyncpg.connect(database.url), await asyncpg.connect(database.url)
    await database.customer()
    waiting = None
    try:
        await holder.execute("BEGIN; UPDATE users SET name = 'x'")
        waiting = asyncio.create_task(waiter.execute("UPDATE users SET name = 'y'"))
        pid = await holder.fetchval("SELECT pg_backend_pid()")

        async def blocking():
            value = await database_signal.read(sources, SETTINGS, None)
            return value if any(one.pid == pid and one.blocks for one in value.sessions) else None

        async with asyncio.timeout(60):
            while (value := await blocking()) is None:
                await asyncio.sleep(0.1)
        session = next(one for one in value.sessions if one.pid == pid)
        assert session.started_at is not None
        reading = replace(sample.incident()["database"], value=value)
        found = rows({"database": reading}, None, None, SETTINGS, datetime.now(UTC))
        (row,) = await run_sql(found, "who blocks", database.connection)
        assert (row["pid"], row["blocks"]) == (pid, 1)
        another = replace(session, started_at=session.started_at - timedelta(seconds=1))
        stale = replace(reading, value=replace(value, sessions=(another,)))
        other = rows({"database": stale}, None, None, SETTINGS, datetime.now(UTC))
        assert await run_sql(other, "end it", database.connection) == []
        assert [row["answer"] for row in await run_sql(found, "end it", database.connection)] == [True]
        await asyncio.wait_for(waiting, 20)
    finally:
        if waiting is not None and not waiting.done():
            waiting.cancel()
        await asyncio.gather(holder.close(timeout=1), waiter.close(timeout=1), return_exceptions=True)


async def test_what_it_looks_up_is_there_to_be_looked_up(database):
    await database.event("e1", 60.0, "FAILED")
    found = taken()
    assert [row["status"] for row in await run_sql(found, "pending and failed", database.connection)] == ["FAILED"]
    (row,) = await run_sql(found, "what it would credit", database.connection)
    assert row["rows"] == 0


@pytest.mark.skipif(PSQL is None, reason="no psql on PATH")
async def test_pasted_into_a_shell_psql_understands_it(database):
    found = taken()
    environment = {**os.environ, "DATABASE_URL": database.url}
    for does in ("who blocks", "what it would credit", "pending and failed", "the list with ids"):
        done = await asyncio.to_thread(
            subprocess.run, ["bash", "-c", command(found, does)], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


def test_the_columns_that_were_looked_up_decide_how_a_provider_is_disabled():
    tables = {"providers": {"isActive": "boolean", "updated_at": "timestamp with time zone"}}
    [other] = [
        one
        for one in emergency_commands(CommandContext(readings={}, settings=SETTINGS, tables=tables, schema="shop"))
        if "worst provider" in one.title
    ]
    sql = shlex.split(other.steps[1].command)[-1].replace("\n", " ")
    assert sql.startswith('SET search_path TO shop; UPDATE shop.providers SET "isActive" = false, updated_at = now()')


# --- kept on disk -----------------------------------------------------------------------------------------------


def test_it_is_for_this_account_alone_or_for_the_group_of_the_folder(tmp_path):
    keep(tmp_path / "new" / "sheet.txt", "one\n")
    assert (tmp_path / "new" / "sheet.txt").stat().st_mode & 0o777 == 0o600
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2770)
    keep(shared / "sheet.txt", "two\n")
    assert (shared / "sheet.txt").stat().st_mode & 0o777 == 0o640
    assert [file.name for file in shared.iterdir()] == ["sheet.txt"]


def test_what_cannot_be_written_leaves_what_was_there(tmp_path):
    (tmp_path / "sheet.txt").mkdir()
    with pytest.raises(FileError, match="can't be written: is a directory"):
        keep(tmp_path / "sheet.txt", "x")
    assert [file.name for file in tmp_path.iterdir()] == ["sheet.txt"]
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="can't be written"):
        keep(tmp_path / "file" / "sheet.txt", "x")


def test_only_ages_differ_is_no_change():
    assert unchanged(taken("stale")) == unchanged(taken("stale", later=1.5))
    assert unchanged(taken("stale")) != unchanged(taken("incident"))


async def settled(keeper: SheetStore, found: tuple[SheetRow, ...]) -> None:
    keeper.offer(found)
    while keeper._writing is not None:
        await asyncio.sleep(0.01)


async def test_it_is_written_when_something_but_its_ages_changed(tmp_path):
    file = tmp_path / "sheet.txt"
    keeper = SheetStore(file, lambda text: pytest.fail(text))
    assert keeper.due
    await settled(keeper, taken("stale"))
    assert not keeper.due  # so soon
    first = file.stat().st_ino
    await settled(keeper, taken("stale", later=1.5))
    assert file.stat().st_ino == first
    await settled(keeper, taken("incident"))
    assert file.stat().st_ino != first
    await keeper.close(taken("calm"))
    assert file.read_text() == text_of(taken("calm"))


async def test_a_disk_that_cannot_be_written_to_is_said_once(tmp_path):
    said: list[str] = []
    (tmp_path / "file").write_text("")
    keeper = SheetStore(tmp_path / "file" / "sheet.txt", said.append)
    await settled(keeper, taken("incident"))
    await settled(keeper, taken("calm"))
    assert len(said) == 1 and said[0].startswith("the break-glass sheet is not kept: ")
    (tmp_path / "file").unlink()
    await settled(keeper, taken("incident"))
    assert said[1:] == ["the break-glass sheet is kept again"]


async def test_a_console_that_knows_less_lays_the_sheet_aside_that_knew_all(tmp_path):
    file = tmp_path / "sheet.txt"
    await settled(SheetStore(file, pytest.fail), taken("incident"))
    for _ in range(2):  # and the next one, which finds a poor sheet, leaves the good one alone
        await settled(SheetStore(file, pytest.fail), rows({}, None, None, SETTINGS, sample.NOW))
    assert "0000-smsbower" in before_file(file).read_text()
    assert PARTLY in file.read_text()


def test_the_command_prints_the_kept_one_with_its_age_and_connects_to_nothing(tmp_path, monkeypatch, capsysbinary):
    monkeypatch.setenv("DATABASE_URL", "postgresql://x:y@192.0.2.1:5432/x")
    assert run(["sheet"]) == 0
    shown = capsysbinary.readouterr().out.decode()
    assert "No console has kept a sheet" in shown and "PROVIDER_ID" in shown
    file = sheet_file(Settings())
    keep(file, text_of(taken()))
    os.utime(file, (0, datetime.now().timestamp() - 125))
    assert run(["sheet"]) == 0
    shown = capsysbinary.readouterr().out.decode()
    assert f"As it was kept in {file}, 2 min" in shown and "0000-smsbower" in shown


def test_a_sheet_that_somebody_put_escapes_into_is_printed_without_them(capsysbinary):
    keep(sheet_file(Settings()), "fine\x1b]0;evil\x07 text\n")
    run(["sheet"])
    assert b"fine text\n" in capsysbinary.readouterr().out


def test_reports_of_a_rehearsal_lie_apart():
    incident = fold(whole().entries)
    real, _ = keep_report(incident, "INC-20261123-1342", Settings())
    drill, page = keep_report(incident, "INC-20261123-1342", Settings(environment="drill"))
    assert real != drill and page.suffix == ".html" and page.parent.name == "drill"
    assert (kept(real) or ("",))[0] == (kept(drill) or ("",))[0]
