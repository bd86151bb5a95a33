"""An entry of a pod's log: its time, level, words and ids, in every format, and the lines that belong to it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pod_lines import line

from nexconsole.sources.log_entry import LEVELS, LineIds, LogEntry, belongs_to_last, order
from nexconsole.sources.log_lines import LONGEST_LINE

ESC = "\x1b"
ORDER = "56ae0a3d-b124-4a33-891c-0373ac641e5d"
ACTIVATION = "7d47a5c8-8b89-4a57-ac44-c4f5d202c1f0"


def entry(text: str | bytes, *more: str) -> LogEntry:
    first = line(1, text) if isinstance(text, str) else text
    made = LogEntry("app-a", first, order(first))
    made.more = [line(1, one) for one in more]
    return made


def pino(level: object, msg: str = "x", **fields: object) -> str:
    return json.dumps({"level": level, "time": 1795922741304, **fields, "msg": msg}, separators=(",", ":"))


@pytest.mark.parametrize(
    ("text", "level", "guessed"),
    [
        (pino("info"), "info", False),
        (pino("warn"), "warn", False),
        (pino(10), "trace", False),
        (pino(20), "debug", False),
        (pino(30), "info", False),
        (pino(35), "info", False),
        (pino(50), "error", False),
        (pino("50"), "error", False),
        (pino(60), "fatal", False),
        (pino(61), "fatal", False),
        (pino(999), "fatal", False),
        (pino(0), "", False),
        (pino(-50), "", False),
        (pino(10**30), "", False),
        (pino(True), "", False),
        (pino([50]), "", False),
        (pino(None), "", False),
        (pino("Warning"), "warn", False),
        (pino("CRITICAL"), "fatal", False),
        (pino("success"), "info", False),
        (pino("nonsense"), "", False),
        ('{"msg":"late","level":"error"}', "error", False),
        ('{"level":"error","msg":"cut off in the mid', "error", False),
        ('{"msg":"cut off: it failed', "error", True),
        (f"{ESC}[90m[14:14:36]{ESC}[0m {ESC}[31m{ESC}[1mERROR  {ESC}[0m ✖ broken", "error", False),
        (f"{ESC}[90m[14:14:36]{ESC}[0m {ESC}[1mSUCCESS{ESC}[0m ✔ done", "info", False),
        (f"[10:20:01] {ESC}[33mWARN{ESC}[39m: slow", "warn", False),
        ("[PURCHASE] Critical Error: no", "fatal", True),
        ("[DynamicProvider:a] Request failed: Error: Breaker is open", "error", True),
        ("[DynamicProvider:a] 429 Retry in 2000ms", "warn", True),
        ("[DynamicProvider:a] Circuit OPEN - Failing fast", "warn", True),
        ("[PURCHASE] Reserved funds.", "", False),
        ("", "", False),
    ],
)
def test_a_level_is_the_line_s_own_word_or_number_else_judged_by_what_it_says(
    text: str, level: str, guessed: bool
) -> None:
    found = entry(text)
    assert (found.level, found.guessed) == (level, guessed)
    assert (found.level, found.guessed) == (level, guessed)  # the second time from what is remembered


def test_a_json_line_says_its_message_first_then_its_fields_whole_and_its_customer_last() -> None:
    long = "y" * 900
    said = entry(
        pino(
            "info", "[PURCHASE_INIT] asked", context="PURCHASE", userId="u1", body={"a": long}, requestId="req_1234567"
        )
    ).words
    assert said.message == "[PURCHASE_INIT] asked"
    assert said.fields == f'body={{"a":"{long}"}} userId=u1'
    assert entry(pino("warn", "GET x", context="DynamicProvider:5sim")).words.message == "[DynamicProvider:5sim] GET x"
    assert entry('{"message":"other","n":1}').words.message == "other"
    assert entry('{"msg":{"a":1}}').words.message == '{"a":1}'


def test_a_pretty_line_says_the_same_as_the_json_line_without_its_time_of_day() -> None:
    text = (
        f"{ESC}[90m[04:08:59]{ESC}[0m {ESC}[38;5;190m{ESC}[1mINFO   {ESC}[0m {ESC}[38;5;30m[ROUTER]{ESC}[0m "
        f"{ESC}[38;5;190m◆{ESC}[0m {ESC}[38;5;255mProvider selected{ESC}[0m {ESC}[90m›{ESC}[0m "
        f'{ESC}[2m{{"provider":"5sim","expectedPrice":1.6}}{ESC}[0m'
    )
    said = entry(text).words
    assert (said.message, said.fields) == ("[ROUTER] Provider selected", "provider=5sim expectedPrice=1.6")
    assert (
        entry(f"{ESC}[90m[04:08:59]{ESC}[0m INFO [PURCHASE] ◆ [PURCHASE_INIT] x").words.message == "[PURCHASE_INIT] x"
    )


def test_a_line_without_the_kubelet_s_time_has_none_and_keeps_the_time_of_day_that_it_says_itself() -> None:
    found = entry(b"[10:20:01] WARN: slow")
    assert found.at is None and found.order == b"" and found.words.message == "[10:20:01] WARN: slow"
    assert found.level == "warn"


def test_a_line_that_was_cut_says_so_at_its_end() -> None:
    cut = entry(line(1, "x" * 20_000)[:LONGEST_LINE])
    assert cut.words.fields == "… the rest of this line was not kept"
    assert entry("x" * 1000).words.fields == ""


@pytest.mark.parametrize("text", ["    at async r.request", "\tat x", "}", "]", ") {", "", "  status: 503,"])
def test_stacks_objects_and_brackets_go_on_with_the_line_before(text: str) -> None:
    assert belongs_to_last(text.encode())


@pytest.mark.parametrize("text", ["[PURCHASE] x", '{"level":"info"}', "Error: x", f"{ESC}[90m[04:08:59]"])
def test_other_lines_begin_an_entry(text: str) -> None:
    assert not belongs_to_last(text.encode())


def test_lines_of_kubelets_in_other_zones_are_put_in_order_by_the_moment() -> None:
    lines = [
        b"2026-11-29T12:00:00.500000000Z utc",
        b"2026-11-29T13:30:00.25+02:00 before it",
        b"2026-11-29T12:00:01Z after it",
    ]
    assert sorted(lines, key=order) == [lines[1], lines[0], lines[2]]
    assert order(b"2026-99-99Tx y") == b"" and order(b"no time at all, whatever it is") == b""


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (
            pino(
                "info", correlationId="purchase_1_abc", requestId="req_1_abcdef", activationId="5sim:1017", userId="u-1"
            ),
            LineIds("purchase_1_abc", "req_1_abcdef", ("5sim:1017",)),
        ),
        (pino("info", requestId="req_1_abcdef"), LineIds(request="req_1_abcdef")),
        (pino("info", requestId=7, correlationId=["x"], orderId={"a": 1}, activationId="x" * 101), LineIds()),
        (pino("info", requestId="short"), LineIds()),
        (
            '[04:08:59] INFO [PURCHASE] ◆ [PURCHASE_INIT] x › {"correlationId":"purchase_1_abc","userId":"u"}',
            LineIds("purchase_1_abc"),
        ),
        (f"[PURCHASE] Reserved funds. Order: {ORDER}, Activation: {ACTIVATION}", LineIds(others=(ORDER, ACTIVATION))),
        (f"[Reconcile] Activation {ACTIVATION} -> FAILED (stuck)", LineIds(others=(ACTIVATION,))),
        (f"[Reconcile] PurchaseOrder {ORDER} failed", LineIds(others=(ORDER,))),
        ("[PURCHASE] Attempting purchase: {", LineIds()),
        ("Failed to process something", LineIds()),
        ("Order: unknown", LineIds()),
    ],
)
def test_ids_are_read_where_an_era_writes_them(text: str, ids: LineIds) -> None:
    assert entry(text).ids == ids


def test_the_ids_of_an_object_over_several_lines_are_its_entry_s() -> None:
    found = entry("[Reconcile] stuck: {", f"  why: 'Activation {ACTIVATION}'", "}")
    assert found.ids == LineIds(others=(ACTIVATION,))
    assert found.words.more == (f"  why: 'Activation {ACTIVATION}'", "}")


@given(st.binary(max_size=300) | st.text(max_size=200).map(lambda text: pino(30, text).encode()))
def test_whatever_a_line_holds_it_has_a_level_words_and_ids(raw: bytes) -> None:
    for first in (raw, line(1, "").rstrip() + b" " + raw):
        found = LogEntry("p", first, order(first))
        assert found.level in LEVELS
        assert isinstance(found.seen, str) and isinstance(found.words.message, str)
        assert all(len(id) <= 100 for id in found.ids.all)


@pytest.mark.parametrize("raw", [b"{" * 20_000, b"[" * 16_000, b'{"level":' + b"9" * 16_000, b"\xff" * 16_000])
def test_a_hostile_line_is_read_in_no_time(raw: bytes) -> None:
    found = LogEntry("p", raw, b"")
    assert found.level in LEVELS and found.ids == LineIds() and found.seen
