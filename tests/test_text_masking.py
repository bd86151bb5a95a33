"""What watchers of a shared screen and readers of a report must not see, and what they must."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from incident_story import IncidentStory

from nexconsole.incident.incident import fold
from nexconsole.report.render import as_json, as_markdown
from nexconsole.text.customers import FIGURES, KINDS, STATEMENT
from nexconsole.text.kinds import tag
from nexconsole.text.masking import mask, mask_command, mask_figures, mask_query

USER = "3f0c0c1e-6a35-4b0a-9a58-6d7a1c1d2e3f"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl"

HIDDEN = [
    ("call +31612345678 now", "+31612345678"),
    ("call +31 6 12 34 56 78 now", "34 56"),
    ("+31 6 12345678 79001234567 x", "1234567"),
    ("+31 6 12345678 79001234567 x", "45678"),
    ("+3161234567890123456789", "6123456"),
    ("+1 (555) 123-4567", "4567"),
    ("+44-20-7946-0958", "7946"),
    ("0031612345678", "31612345678"),
    ("(555) 123-4567", "123-4567"),
    ("555-123-4567", "123"),
    ("555.123.4567", "4567"),
    ("06-12345678", "12345678"),
    ("06 12 34 56 78", "34 56"),
    ("0612345678", "0612345678"),
    ("010 1234 5678", "5678"),
    ("ACCESS_NUMBER:812345678:79001234567", "79001234567"),
    ("number 31612345678 was bought", "31612345678"),
    ("31612345678,31687654321:7", "31687654321"),
    ("31612345678,+31687654321", "31687654321"),
    ("GET /numbers/31612345678/sms", "31612345678"),
    ('{"phone":"6123456"}', "6123456"),
    ("Key (phone_number)=(612345) already exists", "612345"),
    ("phoneNumber: '+49 151 2345678'", "2345678"),
    ("sms_code=482913", "482913"),
    ("smsCode: 482913", "482913"),
    ("anna.smith+shop@mail.example.com wrote", "anna.smith"),
    ("müller@bücher.example", "müller"),
    ("client 203.0.113.77:51234 refused", "203.0.113.77"),
    ("from 2001:db8::8a2e:370:7334", "8a2e"),
    ("from 2001:0db8:85a3:0000:0000:8a2e:0370:7334", "8a2e"),
    (f"user {USER} waits", "6a35"),
    (f"lock:purchase:atomic:{USER}", "6a35"),
    ("lock:purchase:atomic:user-12", "user-12"),
    ("lock:number:cust77-wa-united kingdom", "cust77"),
    ("poll:lock:number77", "number77"),
    ("userId=cust77&x=1", "cust77"),
    ('{"userId":"cust77"}', "cust77"),
    ("user_id: cust77", "cust77"),
    (f"cookie {JWT}", "eyJzdWIiOiI0MiJ9"),
    ("api_key=s3cr3t", "s3cr3t"),
    ("postgresql://nexnum:s3cr3t@db/nexnum", "s3cr3t"),
    ("key 9f86d081884c7d659a2feaa0c55ad015", "9f86d081"),
    ("sk_live_4242abcdEFGH", "4242abcd"),
    ("Xk3vPq8ZrT5wLm2NcB7dFh9J", "Xk3vPq8Z"),
    ("STATEMENT:  SELECT * FROM users WHERE name = 'Anna'", "Anna"),
    ("prisma:query UPDATE \"wallets\" SET balance = 3 WHERE name = 'Anna'", "Anna"),
    ("insert into users (name) values ('Anna')", "Anna"),
    ('POST /sms {"code":"482913"}', "482913"),
    ("PIN: 4829", "4829"),
    ("bought by @anna_smith", "anna_smith"),
    ("anna.smith@mailhost wrote", "anna"),
    ("customer anna@localhost", "anna"),
    ("sent to 221B Baker Street", "Baker"),
    ("cut here +3161234…", "3161234"),
    ("cut here 3f0c0c1e-6a35…", "6a35"),
    ("cut here anna.smith@ma…", "anna"),
]

SHOWN = [
    "17.8 % of purchases fail, 93 % of them at smsbower",
    "66 of 71 failures (93 %) are at smsbower",
    "10 000+ pending",
    "1 234 567 lines dropped",
    "61 pending   56 stuck   oldest 17 min   limit 50",
    "pid 4312 blocks 14",
    "pids 4312, 4320, 4321",
    "port 5432",
    "localhost:5432",
    "127.0.0.1:54321",
    "14:07:31",
    "2026-01-23 14:07:31",
    "2026-01-23T14:07:31.123Z",
    "2026-01-23",
    "1769177251123",
    "20260123140731",
    "PostgreSQL 16.4",
    "version 1.22.333",
    "v1.2.3-rc4",
    "INC-20261123-1342",
    "p95 2.1 s",
    "0.123456789012",
    "12345678.25",
    "nexnum-app-7c9d5b6f4-2xkqp",
    "reconcile-28391234-x7k2p",
    "00:04:12",
    "3 h 10 min",
    "1,234,567,890 bytes",
    "lock:purchase:*",
    "lock:purchase:atomic:*",
    "NexNum:Lock:Reconcile",
    "lock:rebalance:active-numbers",
    "lock:purchase:atomic:{userId}",
    "[2] 10/12 ready, 3-10 replicas, now 5",
    "Wait::Lock",
    "Client:ClientRead",
    "Lock:transactionid",
    "HighPurchaseFailureRate",
    "provider=smsbower severity=warning",
    "Meilisearch: invalid document id",
    "429 x 12, 503 x 3, 500 x 120",
    "attempts 120  failures 66  live numbers 12",
    "user waits",
    "Select a provider from the list",
    "update the row, then set it",
    "UPDATE 1: smsbower is disabled",
    "ghcr.io/nexnum/nexnum-app:1.5.0",
    "nexnum-app-7c9d5b6f4 (revision 12)",
    "exit code 137",
    "Error: code 40001",
    "Key (name)=(smsbower) already exists.",
    "tiger-sms 5sim onlinesim grizzlysms sms-activate",
    "2026-01-23 14:07:31 2026-01-23 14:08:31",
    "cpu 91 of 70 %",
    "user id: null",
    "12345678 rows",
    "operator none, commander root@vm",
    "maria@laptop leads",
    '{"code":"23505"}',
    '"code":503',
    "@prisma/client 5.4",
    "pin 12 of 40",
]


@pytest.mark.parametrize(("text", "secret"), HIDDEN)
def test_customer_data_is_masked(text: str, secret: str) -> None:
    assert secret not in mask(text)
    assert secret not in mask(f"before {text}, after")


TABLE = (STATEMENT, *KINDS)


@pytest.mark.parametrize(
    ("name", "text", "secret"), [(kind.name, *example) for kind in TABLE for example in kind.examples]
)
@pytest.mark.parametrize("around", ["{}", "before {}, after", "({})", "[smsbower] {}\n2"])
def test_every_kind_of_customer_data_is_masked_wherever_it_stands(name, text, secret, around) -> None:
    assert secret not in mask(around.format(text))


@pytest.mark.parametrize("kind", (*TABLE, *FIGURES), ids=lambda kind: kind.name)
def test_every_kind_finds_its_own_examples_and_leaves_what_is_another(kind) -> None:
    for text, secret in kind.examples:
        assert secret not in kind.hidden(text)
    for text in kind.kept:
        assert kind.hidden(text) == text


@pytest.mark.parametrize("text", SHOWN)
def test_what_the_panes_show_stays(text: str) -> None:
    assert mask(text) == text
    assert mask_figures(text) == text


def test_the_same_thing_has_the_same_tag_and_another_has_another() -> None:
    assert mask("+31 6 12345678") == mask("0031612345678") == mask("+31612345678") == tag("31612345678")
    assert mask(USER) == mask(USER.upper()) != mask(USER.replace("3f", "4f"))
    assert re.fullmatch("‹[0-9a-f]{4}›", mask("anna@example.com"))


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("UPDATE wallets SET reserved = reserved - $1", "UPDATE …"),
        ("  /* Anna */ select 1", "SELECT …"),
        ("-- Anna\nDELETE FROM users", "DELETE …"),
        ("(SELECT 1) UNION SELECT 2", "SELECT …"),
        ("", ""),
        ("'; 42", "…"),
        ("autovacuum: VACUUM ANALYZE public.users", "AUTOVACUUM …"),
    ],
)
def test_of_a_query_only_the_first_word_is_left(query: str, shown: str) -> None:
    assert mask_query(query) == shown


def test_our_own_command_keeps_its_statement_but_not_the_customer_in_it() -> None:
    command = f"""psql -X "$DATABASE_URL" -c 'UPDATE providers SET is_active = false WHERE id = '"'"'{USER}'"'"''"""
    shown = mask_command(command)
    assert "UPDATE providers SET is_active = false WHERE id" in shown and USER not in shown
    assert mask_command("redis-cli UNLINK 'lock:purchase:atomic:user-12'").startswith(
        "redis-cli UNLINK 'lock:purchase:"
    )
    assert "user-12" not in mask_command("redis-cli UNLINK 'lock:purchase:atomic:user-12'")


def test_a_last_look_keeps_the_width_of_a_line() -> None:
    line = f"│ 4312  38 s  {USER}  +31612345678  anna@example.com  10.0.0.12   10 000  9 999 │"
    assert len(mask_figures(line)) == len(line)
    assert not any(secret in mask_figures(line) for secret in (USER, "31612345678", "anna@", "10.0.0.12"))


PHONES = st.builds(
    lambda code, parts, between: f"+{code}{between}{between.join(parts)}",
    st.integers(1, 999),
    st.lists(st.text("0123456789", min_size=2, max_size=4), min_size=3, max_size=3),
    st.sampled_from(["", " ", "-", "."]),
)
WORDS = st.text(st.sampled_from("abc ,;:()[]{}'\"=<>/@+-.0123456789äé…‹›"), max_size=40)


@given(
    phone=PHONES,
    before=st.sampled_from(["", "to ", "(", "'", "a, "]),
    after=st.sampled_from(["", " b", ")", "'", ", c"]),
)
def test_no_phone_number_in_the_international_form_is_seen(phone: str, before: str, after: str) -> None:
    assert phone not in mask(before + phone + after)


@given(st.one_of(st.text(max_size=200), WORDS))
def test_masking_twice_is_masking_once(text: str) -> None:
    once = mask(text)
    assert mask(once) == once
    command = mask_command(text)
    assert mask_command(command) == command


@given(st.uuids(), WORDS, WORDS)
def test_no_uuid_is_seen(id, before: str, after: str) -> None:
    assert str(id) not in mask(f"{before} {id} {after}")


@given(st.integers(0, 99_999_999))
def test_a_plain_count_stays(number: int) -> None:
    assert mask(f"{number} rows") == f"{number} rows"


def test_a_long_hostile_text_costs_little() -> None:
    for piece in ("1 ", "+1-", "a@", "aA1", ":f", "select ", "lock:", "1.", "(1", "-- ", "/*", "user_id="):
        text = piece * (8_000 // len(piece))
        began = time.perf_counter()
        mask(text)
        mask_query(text)
        assert time.perf_counter() - began < 0.5, piece


def test_a_providers_id_stays_in_a_reports_commands_and_no_customers():
    provider, customer = "3f0c0c1e-6a35-4b0a-9a58-6d7a1c1d2e3f", "9b1c0c1e-6a35-4b0a-9a58-6d7a1c1d2e40"
    story = IncidentStory()
    command = f"UPDATE providers SET is_active = false WHERE id = '{provider}' -- for {customer}"
    targets = [
        {"kind": "provider", "id": provider, "name": "smsbower"},
        {"kind": "user", "id": customer},
        {"kind": "provider", "id": "+31 6 12345678"},
    ]
    story.act("provider.disable", "smsbower", command=command, targets=targets)
    for report in (as_markdown(fold(story.entries), "INC"), as_json(fold(story.entries), "INC")):
        assert provider in report and customer not in report and "12345678" not in report
