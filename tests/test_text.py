"""Text from outside becomes one harmless line."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexconsole.settings import mask_url
from nexconsole.text.redaction import redact
from nexconsole.text.sanitize import clean

KEY = "s3cr3tvalue"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;https://evil\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jclear", "clear"),
        ("a\r\nb\tc", "a b c"),
        ("left\u202eright\u2066\u200f", "leftright"),
        ("[/] [red]x[/red]", "[/] [red]x[/red]"),
        ("null\x00 and bell\x07", "null and bell"),
    ],
)
def test_escapes_controls_and_direction_marks_are_gone(raw, shown):
    assert clean(raw) == shown


@pytest.mark.parametrize(
    "text",
    [
        f"GET https://x.example/api?action=getNumber&api_key={KEY}&service=wa",
        f"https://x.example/api?key={KEY}",
        f"Authorization: Bearer {KEY}",
        f'{{"authKey": "{KEY}", "a": 1}}',
        f"authKey: '{KEY}'",
        f"postgresql://user:{KEY}@host:6543/db",
        f"redis://:{KEY}@host/0",
        f"token={KEY};",
        f"password={KEY}",
    ],
)
def test_credentials_are_not_shown(text):
    assert KEY not in redact(text)
    assert KEY not in clean(text)


def test_what_is_no_credential_stays():
    text = "duplicate key value violates unique constraint, idempotency_key=abc, monkey=1"
    assert clean(text) == text


def test_a_megabyte_costs_next_to_nothing_and_is_cut():
    began = time.perf_counter()
    shown = clean("x\x1b[1m" * 300_000, limit=200)
    assert time.perf_counter() - began < 0.2
    assert len(shown) <= 200
    assert shown.endswith("…")


@given(st.text(max_size=300))
def test_anything_becomes_one_printable_line(text):
    shown = clean(text)
    assert "\x1b" not in shown
    assert not any(ord(char) < 32 or 0x7F <= ord(char) < 0xA0 for char in shown)


def test_a_masked_address_shows_no_password():
    assert mask_url(f"postgresql://u:{KEY}@h:1/d?sslmode=require") == "postgresql://u:***@h:1/d?sslmode=require"
    assert KEY not in mask_url(f"https://x/y?token={KEY}")
