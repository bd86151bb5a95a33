"""Which entries a filter keeps, and which lines are a purchase's: in NexNum's recorded logs too."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from pod_lines import line
from recorded_purchases import head_json, head_pretty, plain_lines

from nexconsole.sources.log_entry import LogEntry, order
from nexconsole.sources.log_filter import LogFilter, PurchaseFilter, purchase_filter
from nexconsole.text.masking import mask


def entry(text: str, pod: str = "app-a", *more: str) -> LogEntry:
    first = line(1, text)
    made = LogEntry(pod, first, order(first))
    made.more = [line(1, one) for one in more]
    return made


def pino(level: str, msg: str, **fields: object) -> str:
    head = {"level": level, "time": 1795922503304, "env": "production", "requestId": "req_mx503503_bx6yk8qs"}
    return json.dumps({**head, **fields, "msg": msg}, separators=(",", ":"))


@pytest.mark.parametrize(
    ("words", "text", "kept"),
    [
        ("", "anything", True),
        ("timeout", "a TIMEOUT of x", True),
        ("timeout get", "GET: timeout", True),
        ("timeout get", "timeout", False),
        ("-get", "GET: timeout", False),
        ("-get", "timeout", True),
        ("timeout -get", "timeout", True),
        ("timeout -get", "get timeout", False),
        ("-", "anything", True),
        ("status=503", pino("error", "no", status=503), True),
        ("status=503", pino("error", "no", status=502), False),
        ("503", pino("error", "no", status=502), False),  # its time and its request hold 503, which nobody sees
        ("503", pino("error", "no", status=503), True),
        ("-503", pino("error", "no", status=502), True),
        ("production", pino("info", "hello"), False),
        ("-production", pino("info", "hello"), True),
        ("error", pino("error", "hello"), True),
        ("error", '{"level":50,"msg":"hello"}', True),
        ("grün", '{"msg":"GR\\u00dcN"}', True),
        ("grün", "Grün", True),
        ("200", pino("info", "\x1b[1m200\x1b[0m GET"), True),
        ('"a"', '{"msg":"say \\"a\\" now"}', True),
        ("2027", "of another year", False),  # the kubelet's time is no word
        ("app-a", "of this pod", True),
        ("app-b", "of this pod", False),
    ],
)
def test_words_are_looked_for_in_what_is_seen_of_a_line(words: str, text: str, kept: bool) -> None:
    assert LogFilter(words=words).keeps(entry(text)) is kept


def test_words_are_looked_for_in_the_lines_that_belong_to_it_too() -> None:
    stack = entry("Request failed", "app-a", "    at lib/deep.js:3", "}")
    assert LogFilter(words="deep.js").keeps(stack) and not LogFilter(words="-deep.js").keeps(stack)


@pytest.mark.parametrize(
    ("level", "kept"),
    [("", ["info", "warn", "error", "fatal", ""]), ("warn", ["warn", "error", "fatal"]), ("error", ["error", "fatal"])],
)
def test_a_level_keeps_what_is_as_grave(level: str, kept: list[str]) -> None:
    entries = {name: entry(pino(name, "x")) for name in ("info", "warn", "error", "fatal", "")}
    assert [name for name, one in entries.items() if LogFilter(level=level).keeps(one)] == kept


def test_a_provider_is_found_by_any_of_its_names_and_not_inside_another_s() -> None:
    wanted = LogFilter(provider="5sim", labels=("5SIM Ltd", "3f0c0c1e-6a35"))
    assert wanted.keeps(entry("[DynamicProvider:5sim] GET"))
    assert wanted.keeps(entry(pino("error", "Circuit breaker opened", providerId="3f0c0c1e-6a35")))
    assert wanted.keeps(entry(pino("info", "sold", providerName="5Sim ltd")))
    assert not wanted.keeps(entry("[DynamicProvider:15sim] GET")) and not wanted.keeps(entry("5sim-pro"))


def test_filters_combine_and_a_mark_of_ours_stays_with_its_pod() -> None:
    wanted = LogFilter(level="error", provider="5sim", pod="app-a", words="open")
    assert wanted.keeps(entry(pino("error", "5sim: Breaker is open")))
    assert not wanted.keeps(entry(pino("error", "5sim: Breaker is open"), "app-b"))
    assert not wanted.keeps(entry(pino("warn", "5sim: Breaker is open")))
    assert not wanted.keeps(entry(pino("error", "smsbower: Breaker is open")))
    assert not wanted.keeps(entry(pino("error", "5sim: closed")))
    mark = LogEntry("app-a", b"2027-01-15T08:00:01Z", b"2027-01-15T08:00:01", "the container began anew")
    assert wanted.keeps(mark) and not LogFilter(pod="app-b").keeps(mark)
    assert not PurchaseFilter(("container",)).keeps(mark)


# --- a purchase -------------------------------------------------------------------------------------------------------


def recorded(lines: list[tuple[float, str]]) -> list[LogEntry]:
    return [entry(text) for _, text in lines]


def followed(start: LogEntry, entries: list[LogEntry]) -> list[LogEntry]:
    """As the view follows it: what it adds to the ids is taken from the purchase's own lines."""
    wanted = purchase_filter(start.ids, entries)
    assert wanted is not None
    wanted = wanted.joined_by(one for one in entries if wanted.keeps(one))
    return [one for one in entries if wanted.keeps(one)]


def test_any_line_of_a_recorded_purchase_leads_to_all_of_its_lines_and_to_no_other_purchase_s() -> None:
    entries = recorded(head_json())[:4000]
    begun = [one for one in entries if "[PURCHASE_INIT]" in one.words.message][20]
    lines = followed(begun, entries)
    said = [one.words.message for one in lines]
    assert said[0].startswith("[API] ") and "POST" in said[0]
    assert any("[PURCHASE_COMPLETE]" in one or "_FAIL]" in one for one in said) and len(lines) >= 12
    assert {one.ids.purchase for one in lines} - {""} == {begun.ids.purchase}
    routed = next(one for one in lines if "[ROUTER]" in one.words.message)
    assert not routed.ids.purchase  # it has its request's id only
    assert followed(routed, entries) == lines


def test_a_pretty_line_has_no_request_id_so_its_purchase_s_own_lines_are_followed() -> None:
    entries = recorded(head_pretty())
    begun = next(one for one in entries if "[PURCHASE_INIT]" in one.words.message)
    lines = followed(begun, entries)
    assert len(lines) >= 6 and {one.ids.request for one in lines} == {""}
    assert all("PURCHASE" in one.words.message or one.ids.others for one in lines)


def test_the_oldest_version_s_lines_lead_from_order_and_activation_only() -> None:
    entries = [entry(text) for text in plain_lines("e0")[:3000]]
    ids = Counter(bool(one.ids.all) for one in entries if one.words.message.startswith("[PURCHASE]"))
    assert ids[True] > 20 and ids[False] > ids[True]
    alone = next(one for one in entries if one.ids.request)
    assert followed(alone, entries) == [alone]  # each line has a request of its own
    begun = next(one for one in entries if one.words.message.startswith("[PURCHASE] Attempting"))
    assert purchase_filter(begun.ids, entries) is None


def test_a_request_that_made_several_purchases_is_followed_by_itself() -> None:
    entries = [entry(pino("info", f"step {n}", correlationId=f"purchase_{n}_x")) for n in range(3)]
    alone = entry(pino("info", "batch"))
    wanted = purchase_filter(alone.ids, [*entries, alone])
    assert wanted is not None and wanted.ids == ("req_mx503503_bx6yk8qs",)


def test_an_id_is_found_as_a_whole_only() -> None:
    wanted = PurchaseFilter(("5sim:1017",))
    assert wanted.keeps(entry("sold 5sim:1017.")) and not wanted.keeps(entry("sold 5sim:10170"))


def test_what_a_purchase_s_own_lines_name_is_followed_too_and_bounded() -> None:
    start = PurchaseFilter(("purchase_1_x",))
    own = entry(pino("info", "reserved", correlationId="purchase_1_x", activationId="act-000001"))
    other = entry(pino("info", "poll", activationId="act-000001", orderId="order-00009"))
    wanted = start.joined_by([own, other])
    assert "act-000001" in wanted.ids and "order-00009" not in wanted.ids
    assert wanted.joined_by([own]) is wanted
    many = [entry(pino("info", "x", correlationId="purchase_1_x", eventId=f"event-{n:05}")) for n in range(500)]
    assert len(start.joined_by(many).ids) <= 24


def test_a_filter_does_not_tell_what_is_hidden_of_a_line() -> None:
    """A watcher of a shared screen would find a number digit by digit, by the lines that stay."""
    seen = entry(pino("info", "code sent to +79261234567", provider="smsbower", email="a@b.example"))
    masked = LogFilter(words="sent", cover=mask)
    assert masked.keeps(seen)
    for guess in ("7926", "sent +7926", "a@b", "b.example"):
        assert LogFilter(words=guess).keeps(seen), guess
        assert not replace(masked, words=guess).keeps(seen), guess
        assert replace(masked, words=f"-{guess.split()[-1]}").keeps(seen), guess
    assert replace(masked, words="", provider="smsbower").keeps(seen)
    assert LogFilter(provider="79261234567").keeps(seen)
    assert not replace(masked, words="", provider="79261234567").keeps(seen)
    tag = mask("+79261234567")
    assert tag.startswith("‹") and replace(masked, words=tag).keeps(seen)  # two lines with one number can be found
