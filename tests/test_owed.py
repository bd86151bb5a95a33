"""Who paid and got nothing: by both versions' tables, exact, masked, and on record where it is written."""

from __future__ import annotations

import csv
import io
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from command_line import run_with
from journals import written

from nexconsole.errors import MissingSchema
from nexconsole.incident.incident import fold
from nexconsole.journal import EntryKind, Journal, Scrubber, Writer, journal_file, read
from nexconsole.lookups import owed
from nexconsole.lookups.owed import Claim, ClaimKind, Owed
from nexconsole.report.owed import HEAD, as_csv, cell, exact
from nexconsole.session.owed import owed_words, span_of
from nexconsole.settings import JournalSettings, PostgresSettings, Settings
from nexconsole.sources import Sources

SETTINGS = Settings()
INCIDENT = "INC-20261123-1342"


def hour() -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    return now - timedelta(hours=1), now + timedelta(seconds=5)


async def credit(database, user: str, amount: str, age_s: float, kind: str = "refund") -> None:
    await database.execute(  # the connection's time zone is far from UTC
        "INSERT INTO wallet_transactions (id, wallet_id, amount, type, created_at) SELECT $1, $2, $3::text::numeric,"
        f" $4, {await database.now('wallet_transactions')} - make_interval(secs => $5)",
        f"tx-{user}-{age_s}",
        f"wallet-{user}",
        amount,
        kind,
        float(age_s),
    )


@pytest.mark.parametrize("options", [{}, {"timestamptz": True}, {"era": "old"}])
async def test_who_paid_and_got_nothing_is_listed_and_nobody_else(database, sources_on, options):
    await database.create(**options)
    for user, reserved in (("ann", "0"), ("bob", "0.40"), ("cy", "0.35"), ("dee", "0"), ("eve", "0"), ("fay", "0")):
        await database.wallet(user, reserved=reserved)
    await database.activation("paid, no number", 600, "ACTIVE", paid=True, user="ann", price="1.10", country="Chad")
    await database.activation("paid, ended", 500, "FAILED", paid=True, user="ann", price="0.05")
    await database.activation("held", 700, "RESERVED", user="bob", price="0.40")
    await database.activation("failed and kept", 400, "FAILED", user="cy", price="0.35")
    await database.activation("failed and released", 400, "FAILED", user="dee", price="0.35")
    await database.sale("sold", 400, "5sim", "5sim:1", "5SIM")
    await database.activation("refunded", 800, "ACTIVE", paid=True, user="eve", price="2.00")
    await credit(database, "eve", "2.00", 300)
    await database.activation("in time", 10, "RESERVED", user="fay", price="9.00")
    await database.activation("before", 9_000, "ACTIVE", paid=True, user="fay", price="9.00")
    found = await owed.read(sources_on(database.url), SETTINGS, *hour())
    assert [(claim.purchase, claim.kind, claim.amount, claim.under_way) for claim in found.claims] == [
        ("held", "held", Decimal("0.40"), True),
        ("paid, no number", "taken", Decimal("1.10"), False),
        ("paid, ended", "taken", Decimal("0.05"), True),
        ("failed and kept", "kept", Decimal("0.35"), False),
    ]
    assert (found.customers, found.total, found.under_way) == (3, Decimal("1.90"), 2)
    assert found.sentence == "3 customers are owed 1.90 USD, 2 refunds are under way"


async def test_a_number_that_ended_without_an_sms_is_owed_until_it_is_refunded(database, sources_on):
    await database.wallet("u1")
    await database.sale("ended", 900, "5sim", "5sim:1", "5SIM", status="expired")
    await database.sale("used", 900, "5sim", "5sim:2", "5SIM", status="completed")
    sources = sources_on(database.url)
    (claim,) = (await owed.read(sources, SETTINGS, *hour())).claims
    assert (claim.purchase, claim.why) == ("ended", "the money was taken, and the number ended without an SMS")
    await credit(database, "u1", "1", 950, "manual_credit")  # before the purchase: not of it
    assert len((await owed.read(sources, SETTINGS, *hour())).claims) == 1
    await credit(database, "u1", "1", 100)
    assert (await owed.read(sources, SETTINGS, *hour())).sentence == "nobody is owed anything"


async def test_one_refund_settles_one_purchase(database, sources_on):
    await database.wallet("ann")
    for number in range(3):
        await database.activation(f"a{number}", 600 - number, "ACTIVE", paid=True, user="ann", price="0.30")
    await credit(database, "ann", "0.30", 10)
    found = await owed.read(sources_on(database.url), SETTINGS, *hour())
    assert ([claim.purchase for claim in found.claims], found.total) == (["a1", "a2"], Decimal("0.60"))


async def test_what_cannot_be_read_is_said(database, sources_on):
    await database.activation("paid", 600, "ACTIVE", paid=True)
    await database.execute("DROP TABLE wallet_transactions, wallets CASCADE")
    found = await owed.read(sources_on(database.url), SETTINGS, *hour())
    assert len(found.claims) == 1
    assert found.notes[0] == "what wallets still hold is not known: wallets have no user_id, reserved"
    await database.execute("ALTER TABLE activations DROP COLUMN refund_tx_id")
    with pytest.raises(MissingSchema, match="refund_tx_id"):
        await owed.read(sources_on(database.url), SETTINGS, *hour())


async def test_sums_are_exact():
    claims = [claim(amount=Decimal("0.1")) for _ in range(3)] + [claim(amount=Decimal("0.00000001"))]
    found = Owed(since=hour()[0], until=hour()[1], claims=tuple(claims))
    assert found.total == Decimal("0.30000001")
    assert exact(found.total) == "0.30000001" and exact(Decimal("3")) == "3.00" and exact(Decimal("100")) == "100.00"


# --- CSV --------------------------------------------------------------------------------------------------------------


def claim(**more) -> Claim:
    given = {
        "kind": ClaimKind.TAKEN,
        "customer": "3f0c7c1e-0000-4000-8000-000000000001",
        "purchase": "p1",
        "at": datetime(2026, 11, 23, 13, 42, tzinfo=UTC),
        "service": "telegram",
        "country": "Chad",
        "provider": "5sim",
        "state": "ACTIVE",
        "amount": Decimal("1.10"),
        "under_way": False,
        "why": "the money was taken, and no number was given",
    }
    return Claim(**(given | more))


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ('=HYPERLINK("http://x")', '\'=HYPERLINK("http://x")'),
        ("+1", "'+1"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'=1"),
        ("\r\n=1", "'=1"),
        ("  =1", "'=1"),
        ("＝1", "'＝1"),
        ("\u202e=1", "'=1"),
        ("a\nb", "a b"),
        ("Côte d'Ivoire", "Côte d'Ivoire"),
        ("", ""),
    ],
)
def test_no_cell_is_a_formula(hostile: str, shown: str):
    assert cell(hostile) == shown
    owed_of = Owed(
        since=hour()[0], until=hour()[1], claims=(claim(country=hostile, service=hostile, customer=hostile),)
    )
    head, row = csv.reader(io.StringIO(as_csv(owed_of)))
    assert tuple(head) == HEAD
    assert row[0] == row[3] == row[4] == shown and row[8:11] == ["1.10", "USD", "none"]


def test_masked_two_of_one_customer_can_be_told_to_be_so():
    found = owed.masked(Owed(since=hour()[0], until=hour()[1], claims=(claim(), claim(purchase="p2"))))
    text = as_csv(found)
    assert "3f0c7c1e" not in text
    assert found.customers == 1 and found.claims[0].customer == found.claims[1].customer != claim().customer


# --- the command and the closing --------------------------------------------------------------------------------------


@pytest.fixture
async def chosen(database, tmp_path: Path) -> Settings:
    """An incident on record, and one customer who paid for nothing in it."""
    file = journal_file(tmp_path / "journal", INCIDENT)
    Journal(file, Writer.here("maria"), Scrubber()).append(EntryKind.OPENED, {"title": "smsbower fails"})
    await database.wallet("ann")
    await database.activation("p1", 2, "ACTIVE", paid=True, user="ann", price="1.10")
    return Settings(
        operator="maria",
        journal=JournalSettings(folder=str(tmp_path / "journal")),
        postgres=PostgresSettings(url=database.url),
    )


def in_thread(*words: str, settings: Settings) -> int:
    """The command runs a loop of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run_with, settings, *words).result()


async def test_printed_it_is_masked_and_written_it_is_private_and_on_record(
    chosen: Settings, tmp_path: Path, capsysbinary
):
    assert in_thread("export", "--owed", settings=chosen) == 0
    out, err = map(bytes.decode, capsysbinary.readouterr())
    assert "ann" not in out and out.count("\n") == 2
    assert "1 customer is owed 1.10 USD, 0 refunds are under way" in err and "--output FILE" in err
    file = tmp_path / "owed.csv"
    assert in_thread("export", "--owed", INCIDENT, "--output", str(file), settings=chosen) == 0
    assert file.read_text().splitlines()[1].startswith("ann,p1,")
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    last = max(written(tmp_path / "journal", INCIDENT), key=lambda entry: entry.at)
    assert last.kind == EntryKind.NOTE and "ann" not in last.data["text"]
    assert last.data["text"].startswith("writes the list of who is owed, with customers' ids, to owed.csv: 1 customer")
    assert in_thread("export", "--owed", "--output", str(file), settings=chosen) == 1
    assert b"is there already" in capsysbinary.readouterr().err


async def test_who_only_observes_writes_no_names(chosen: Settings, tmp_path: Path, capsys):
    actions = msgspec.structs.replace(chosen.actions, observe=True)
    watching = msgspec.structs.replace(chosen, actions=actions)
    file = tmp_path / "owed.csv"
    assert in_thread("export", "--owed", "--output", str(file), settings=watching) == 2
    assert "only observes" in capsys.readouterr().err and not file.exists()


@pytest.mark.parametrize("words", [("export", "--owed", "--format", "json"), ("export", "X", "--output", "f")])
def test_what_does_not_go_together_is_refused(words: tuple[str, ...], capsys):
    assert run_with(SETTINGS, *words) == 2
    assert "nexconsole export --help" in capsys.readouterr().err


async def test_closing_says_it_without_names_and_never_waits_for_a_dead_database(chosen: Settings, sources_on, clients):
    entries = read(journal_file(Path(chosen.journal.folder), INCIDENT)).entries
    incident, now = fold(entries), datetime.now(UTC)
    since, until = span_of(incident, chosen, now)
    assert (incident.begin - since, until) == (timedelta(minutes=5), now)
    words = await owed_words(sources_on(chosen.postgres.url), chosen, incident, INCIDENT, now)
    assert words[:2] == (
        "1 customer is owed 1.10 USD, 0 refunds are under way",
        f"`nexconsole export --owed {INCIDENT}` lists them",
    )
    (words,) = await owed_words(Sources(clients, {}), chosen, incident, INCIDENT, now)
    assert words.startswith("who is owed money is not known: postgres is not configured")
