"""Credentials in texts: each kind's examples are hidden, its counter-examples stay."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexconsole.text.redaction import CREDENTIALS, redact

EXAMPLES = [(kind.name, text, secret) for kind in CREDENTIALS for text, secret in kind.examples]
KEPT = [(kind.name, text) for kind in CREDENTIALS for text in kind.kept]


@pytest.mark.parametrize(("name", "text", "secret"), EXAMPLES)
@pytest.mark.parametrize("around", ["{}", "before {}", "{} after", '{{"msg":"{}"}}', "1\n{}\n2"])
def test_a_credential_is_hidden_wherever_it_stands(name: str, text: str, secret: str, around: str) -> None:
    assert secret not in redact(around.format(text))


@pytest.mark.parametrize(("name", "text"), KEPT)
def test_what_is_no_credential_stays(name: str, text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("kind", CREDENTIALS, ids=lambda kind: kind.name)
def test_every_kind_finds_its_own_examples(kind) -> None:
    for text, secret in kind.examples:
        assert secret not in kind.hidden(text)
        assert not kind.hints or any(hint in text.lower() for hint in kind.hints)


@pytest.mark.parametrize(
    "text",
    [
        "nexnum-app-7c9d5b6f4-2xkqp restarted",
        "ghcr.io/nexnum/nexnum-app@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf",
        "smsbower fails 55 % of 120 purchases",
        "Secret default/nexnum-secrets",
        "kubectl get secret nexnum-secrets",
        "token bucket is empty",
        "duplicate key value violates unique constraint",
        "the key is held for 30 s",
        "lock:purchase:atomic:u1",
        "SELECT auth_key FROM providers",
        "ratelimit:provider:3f0c0c1e",
        "secrets: read only",
        '{"key":"lock:purchase:atomic:u1","value":"f00"}',
        "Authorization header is missing",
    ],
)
def test_what_an_operator_must_read_stays(text: str) -> None:
    assert redact(text) == text


def test_a_word_that_could_be_said_is_a_credential_where_name_and_word_are_a_whole_line() -> None:
    assert "hunter" not in redact("user: maria\n  db-password: hunter\nport: 5432")
    assert redact("a password: missing in the request") == "a password: missing in the request"


@given(st.text(st.sampled_from("abc =:'\"\\{}&?-_%3Dpasswordtoken*$\n"), max_size=80))
def test_redacting_twice_is_redacting_once(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(st.text(max_size=300))
def test_any_text_can_be_redacted(text: str) -> None:
    redact(text)


def test_a_long_hostile_text_costs_little() -> None:
    for piece in (
        "password=",
        "password: ",
        'token":"',
        "a-",
        "curl -u ",
        "x-key",
        "eyJ",
        "token%3D",
        "://a:",
        '\\"',
        "_",
    ):
        text = "secret " + piece * (8_000 // len(piece))
        began = time.perf_counter()
        redact(text)
        assert time.perf_counter() - began < 0.5, piece
