"""Each limit of what may enter the journal, on both sides, and which words of an address are secrets."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from nexconsole.journal import Scrubber
from nexconsole.journal.redaction import MAX_DATA, secrets_of
from nexconsole.settings import PostgresSettings, PrometheusSettings, RedisSettings, Settings


def scrubbed(data: dict[str, Any], *secrets: str) -> dict[str, Any]:
    return Scrubber(secrets, 100)(data)


def of_url(url: str) -> tuple[str, ...]:
    return secrets_of(Settings(postgres=PostgresSettings(url=url)))


# --- secrets of the settings ---


@pytest.mark.parametrize(("password", "secrets"), [("abc", ()), ("abcd", ("abcd",))])
def test_a_password_of_three_characters_would_blank_half_of_every_text(password, secrets):
    assert of_url(f"postgresql://user:{password}@db.example/nexnum") == secrets


@pytest.mark.parametrize("name", ["nexnum", "db.example", "base", "a%40name", "a@name"])
def test_what_is_a_name_too_is_no_secret(name):
    url = {
        "nexnum": "postgresql://nexnum:nexnum@db.example/base",
        "db.example": "postgresql://nexnum:db.example@db.example/base",
        "base": "postgresql://nexnum:base@db.example/base/",
        "a%40name": "postgresql://a%40name:a%40name@db.example/base",
        "a@name": "postgresql://a%40name:a@name@db.example/base",
    }[name]
    assert name not in of_url(url)


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("postgresql://user:p%40ss@db.example/base", ("p%40ss", "p@ss")),
        ("postgresql://user:pa@ss@db.example/base", ("pa@ss",)),
        ("postgresql://user:pass/word@db.example/base", ("pass/word",)),
        ("postgresql://user:pass:word@db.example/base", ("pass:word",)),
        ("postgresql://user@db.example/base", ()),
        ("postgresql://db.example/base?password=hidden", ("hidden",)),
        ("postgresql://db.example/base?password=h%2Fdden", ("h/dden",)),
        ("postgresql://db.example/base?sslmode=require&schema=public&pgbouncer=true", ()),
        ("postgresql://db.example/base?connection_limit=1000&application_name=console", ()),
        ("postgresql://user:secret@[::1/base", ("postgresql://user:secret@[::1/base", "secret")),
        ("", ()),
    ],
)
def test_the_secrets_of_an_address_are_its_password_and_its_parameters_longest_first(url, secrets):
    assert of_url(url) == secrets


@pytest.mark.parametrize("host", ["db.example", "[::1"])  # an address, and half of one
def test_a_parameter_with_an_at_sign_hides_no_password(host):
    assert "secret" in of_url(f"postgresql://user:secret@{host}/base?options=a@b")


def test_tokens_passwords_and_headers_are_secrets_too_longest_first_and_then_by_the_alphabet():
    chosen = Settings(
        redis=RedisSettings(token="tokn"),
        prometheus=PrometheusSettings(bearer="bear", password="longest", headers={"X": "head"}),
    )
    assert secrets_of(chosen) == ("longest", "bear", "head", "tokn")


def test_the_longest_of_secrets_that_begin_alike_is_replaced_whole():
    chosen = Settings(redis=RedisSettings(token="abcd"), prometheus=PrometheusSettings(bearer="abcdefgh"))
    assert Scrubber.of(chosen)({"text": "abcdefgh abcd"}) == {"text": "*** ***"}


def test_an_empty_secret_replaces_nothing():
    assert scrubbed({"text": "so"}, "") == {"text": "so"}


# --- values ---


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        (2**63 - 1, 2**63 - 1),
        (2**63, str(2**63)),
        (-(2**63) + 1, -(2**63) + 1),
        (-(2**63), str(-(2**63))),
        (True, True),
        (0.5, 0.5),
        (None, None),
        ([], []),
        ({}, {}),
    ],
)
def test_a_number_that_other_readers_could_not_hold_is_a_text(number, kept):
    assert scrubbed({"value": number}) == {"value": kept}


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        ({"password": "short"}, {"password": "***"}),
        ({"password": ""}, {"password": ""}),
        ({"password": 7}, {"password": 7}),
        ({"token": ["listed"]}, {"token": ["listed"]}),
        ({"monkey": "banana"}, {"monkey": "banana"}),
    ],
)
def test_a_text_in_a_field_with_a_secrets_name_is_hidden(data, kept):
    assert scrubbed(data) == kept


def test_a_secret_in_a_fields_name_is_hidden_too():
    assert scrubbed({"plan": {"at hush-1": 1}}, "hush-1") == {"plan": {"at ***": 1}}


# --- how much is kept ---


def nested(depth: int) -> dict[str, Any]:
    data: dict[str, Any] = {"end": 1}
    for _ in range(depth):
        data = {"d": data}
    return data


def test_24_levels_are_kept_and_one_more_is_not():
    assert scrubbed(nested(23)) == nested(23)
    cut = scrubbed(nested(24))
    assert cut["cut"] == [".".join(["d"] * 24) + ": nested too deeply"]
    lists: Any = 1
    for _ in range(24):
        lists = [lists]
    assert scrubbed({"d": lists})["cut"] == ["d" + "[0]" * 23 + ": nested too deeply"]
    assert "cut" not in scrubbed({"d": lists[0]})


def ballast(texts: int, length: int) -> dict[str, Any]:
    return {"ballast": [f"{number:06}" + "x" * (length - 6) for number in range(texts)]}


SIZES = [
    ({}, 16_000, 10_000),
    (ballast(80, 16_000), 4_000, 2_000),  # 1.3 MB at the first size
    (ballast(300, 4_000), 1_000, 400),  # 1.2 MB at the second
    ({"ballast": [["x" * 1_000] * 40] * 30}, 200, 50),  # 1.6 MB at the third
]


@pytest.mark.parametrize(("more", "length", "members"), SIZES)
def test_what_does_not_fit_at_one_size_is_cut_to_the_next_and_the_sentence_says_to_what(more, length, members):
    fits = {"text": "t" * length, "list": list(range(members)), "table": {str(n): n for n in range(members)}}
    long = {name: value * 2 if name == "text" else value for name, value in fits.items()}
    long["text"] = "t" * (length + 1)
    long["list"] = list(range(members + 1))
    long["table"] = {str(n): n for n in range(members + 1)}
    kept, cut = scrubbed(fits | more), scrubbed(long | more)
    assert {name: kept[name] for name in fits} == fits
    assert (cut["text"], cut["list"], cut["table"]) == ("t" * length + "…", fits["list"], fits["table"])
    assert cut["cut"][:3] == [
        f"text: {length} of {length + 1} characters kept",
        f"list: {members} of {members + 1} kept",
        f"table: {members} of {members + 1} kept",
    ]
    assert len(msgspec.json.encode(cut)) <= MAX_DATA
    assert ("cut" in kept) == bool(more)


@pytest.mark.parametrize(("size", "cut"), [(1_048_576, False), (1_048_577, True)])
def test_an_entrys_data_has_a_mebibyte_at_most(size, cut):
    data = {"list": ["x" * 15_999 for _ in range(65)]}
    data["rest"] = ["y" * (size - len(msgspec.json.encode(data | {"rest": [""]})))]
    assert len(msgspec.json.encode(data)) == size
    assert ("cut" in scrubbed(data)) == cut


def test_what_fits_at_no_size_is_its_short_parts_of_40_at_most():
    huge = {"huge": [[["x" * 200] * 50] * 50] * 3}
    data = huge | {f"key {number:02}": "y" * 201 for number in range(41)}
    kept = scrubbed(data)
    assert [name for name in kept if name != "cut"] == [f"key {number:02}" for number in range(40)]
    assert kept["key 00"] == "y" * 200 + "…"
    assert kept["cut"][0] == "key 00: 200 of 201 characters kept"
    assert kept["cut"][-2:] == ["and 20 more", "there was too much: only what is short is kept"]
    assert scrubbed(huge | {"intent": "i"}) == {
        "intent": "i",
        "cut": ["there was too much: only what is short is kept"],
    }


@pytest.mark.parametrize(("many", "more"), [(20, []), (21, ["and 1 more"]), (25, ["and 5 more"])])
def test_of_what_was_cut_20_are_told_one_by_one(many, more):
    cut = scrubbed({f"k{number}": "x" * 16_001 for number in range(many)})["cut"]
    assert cut[:20] == [f"k{number}: 16000 of 16001 characters kept" for number in range(20)]
    assert cut[20:] == more


def test_a_path_leads_to_what_was_cut():
    data = {"plan": {"targets": [{"id": "a"}, {"id": "x" * 16_001}]}, "n" * 61: "x" * 16_001}
    assert scrubbed(data)["cut"] == [
        "plan.targets[1].id: 16000 of 16001 characters kept",
        "n" * 60 + ": 16000 of 16001 characters kept",
    ]


def test_four_times_as_much_as_is_kept_is_looked_at_for_secrets():
    secret = "s" * 64_000
    assert scrubbed({"text": secret}, secret) == {"text": "***"}
    more = scrubbed({"text": secret + "t"}, secret)
    assert more == {"text": "***…", "cut": ["text: 16000 of 64001 characters kept"]}


@pytest.mark.parametrize("remembered", [0, 2])
def test_texts_that_are_remembered_become_the_same_again(remembered):
    scrub = Scrubber(["hush-1"], remembered)
    for text in ("hush-1 a", "hush-1 b", "hush-1 c", "x" * 1001 + " hush-1", "hush-1 a"):
        assert scrub({"text": text}) == {"text": text.replace("hush-1", "***")}
