"""What may enter the journal: no secret of the settings, no credential in a text, nothing without end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import pytest

from nexconsole import settings
from nexconsole.journal import EntryKind, Scrubber, open_journal, read
from nexconsole.journal.redaction import MAX_DATA, secrets_of


def with_secrets(tmp_path) -> settings.Settings:
    return msgspec.convert(
        {
            "journal": {"folder": str(tmp_path)},
            "postgres": {"url": "postgresql://postgres.ref:p%40ss%2Fw0rd@db.example:6543/postgres?sslmode=require"},
            "redis": {"url": "rediss://:r3dis-pw@redis.example/0", "token": "upstash-t0ken"},
            "prometheus": {
                "url": "https://prometheus.example/?t=qu3ry-s3cret",
                "bearer": "bearer-s3cret",
                "password": "basic-s3cret",
                "headers": {"X-Token": "h3ader-s3cret"},
            },
            "api": {"url": "https://api.example", "cron_secret": "cron-s3cret"},
        },
        settings.Settings,
    )


SECRETS = (
    "p%40ss%2Fw0rd",
    "p@ss/w0rd",
    "r3dis-pw",
    "upstash-t0ken",
    "bearer-s3cret",
    "basic-s3cret",
    "h3ader-s3cret",
    "qu3ry-s3cret",
    "cron-s3cret",
)


def test_no_secret_of_the_settings_reaches_the_file_wherever_it_stands(tmp_path):
    journal = open_journal(with_secrets(tmp_path), "maria")
    data = {
        "text": f"tried {' and '.join(SECRETS)}, no luck",
        "plan": {"command": ["curl", "-H", *SECRETS], "targets": [{"kind": "key", "id": secret} for secret in SECRETS]},
        **{secret: 1 for secret in SECRETS},
    }
    journal.append(EntryKind.INTENT, data)
    text = journal.file.read_text()
    assert [secret for secret in SECRETS if secret in text] == []
    assert "tried *** and ***" in text
    assert "db.example" not in secrets_of(with_secrets(tmp_path))


@dataclass(frozen=True)
class Words:
    words: tuple[str, ...]


@pytest.mark.parametrize("remembered", [0, 100])
def test_what_dataclasses_hold_in_tuples_is_scrubbed_too(tmp_path, remembered):
    scrub = Scrubber.of(with_secrets(tmp_path), remembered)
    for _ in range(2):
        assert scrub({"guards": (Words(("redis at r3dis-pw", "token=abc")),)}) == {
            "guards": [{"words": ["redis at ***", "token=***"]}]
        }


def test_a_password_that_is_also_a_name_does_not_blank_every_text():
    chosen = settings.Settings(postgres=settings.PostgresSettings(url="postgresql://nexnum:nexnum@h/nexnum"))
    assert secrets_of(chosen) == ()


@pytest.mark.parametrize(
    "data",
    [
        {"command": "psql postgresql://u:s3cr3tvalue@h/d"},
        {"command": "curl -H 'Authorization: Bearer s3cr3tvalue'"},
        {"answer": ["api_key=s3cr3tvalue"]},
        {"plan": {"headers": {"Authorization": "s3cr3tvalue", "client_secret": "s3cr3tvalue"}}},
    ],
)
def test_credentials_that_nobody_told_of_are_redacted(data):
    assert "s3cr3tvalue" not in str(Scrubber()(data))


def test_what_is_no_secret_stays_as_it_is():
    data = {"key": "lock:purchase:atomic:u1", "value": "f00", "ttl": 30, "rate": 0.178, "at": None, "chosen": [True]}
    assert Scrubber(["hush"])(data) == data


def test_a_literal_command_keeps_the_variables_that_stand_for_secrets():
    command = 'curl -H "Authorization: Bearer $CRON_SECRET" -H "Cookie: token=$ADMIN_TOKEN" "$API_URL/x?key=${KEY}"'
    assert Scrubber()({"command": command})["command"] == command


def test_what_json_can_not_hold_is_still_recorded(tmp_path):
    @dataclass
    class SecretPlan:
        action: str
        taken_at: datetime

    journal = open_journal(with_secrets(tmp_path), "maria")
    odd = {
        "plan": SecretPlan("x", datetime(2026, 1, 1, tzinfo=UTC)),
        "big": 2**80,
        "nan": float("nan"),
        5: {1, 2},
        "broken": "a\ud800b",
        "error": ValueError("no"),
    }
    journal.append(EntryKind.NOTE, odd)
    (entry,) = read(journal.file).entries
    assert entry.data["plan"] == {"action": "x", "taken_at": "2026-01-01T00:00:00Z"}
    assert entry.data["big"] == str(2**80)
    assert entry.data["nan"] is None
    assert entry.data["5"] == [1, 2]
    assert entry.data["broken"] == "a\\ud800b"
    assert entry.data["error"] == "no"
    assert entry.intact


def nested(depth: int) -> dict:
    data: dict = {}
    for _ in range(depth):
        data = {"deeper": data}
    return data


@pytest.mark.parametrize(
    "data",
    [
        {"intent": "i", "answer": "x" * 5_000_000},
        {"intent": "i", "targets": [{"kind": "key", "id": f"lock:{n}", "value": "v" * 40} for n in range(20_000)]},
        {"intent": "i", "targets": ["x" * 15_000] * 5000},
        {"intent": "i"} | {f"key {n}": "x" * 1000 for n in range(50_000)},
        {"intent": "i", "deep": nested(200)},
        {"intent": "i", "wide": [[["x" * 150] * 40] * 40] * 40},
    ],
)
def test_an_entry_has_an_end_and_says_what_was_left_out(data):
    scrubbed = Scrubber()(data)
    assert len(msgspec.json.encode(scrubbed)) <= MAX_DATA
    assert scrubbed["intent"] == "i"
    assert scrubbed["cut"]


def test_a_secret_at_the_place_of_the_cut_is_not_half_shown():
    for before in range(15_900, 16_000, 7):
        text = Scrubber(["s3cr3tvalue"])({"text": "x" * before + "s3cr3tvalue" + "y" * 50_000})["text"]
        assert "s3c" not in text
