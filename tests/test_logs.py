"""Pods' logs: every format's lines, the fold over them, and the reading of streams without a gap or a double."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nexconsole.sources import breaker_lines, funnel_lines
from nexconsole.sources.breaker_lines import BreakerEvent, parse
from nexconsole.sources.breakers import Breaker, BreakerHistory, Count, PodBreakers
from nexconsole.sources.log_lines import LONGEST_LINE, LineCutter, Reader, moment
from nexconsole.sources.pod_log import PodLog
from nexconsole.sources.purchases import Purchases

UUID = "3f0c0c1e-6a35-4b0a-9a58-6d7a1c1d2e3f"
START = datetime(2026, 1, 10, 10, 20, tzinfo=UTC)
ESC = "\x1b"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def pino(msg: str, **meta: object) -> str:
    head = {"level": "warn", "time": 1786164801672, "env": "production", "requestId": "req_mwtckhw7_67eb6075"}
    return json.dumps({**head, **meta, "msg": msg}, separators=(",", ":"))


def pretty(level: str, rest: str) -> str:
    return f"{ESC}[90m[14:14:36]{ESC}[0m {ESC}[38;5;190m{ESC}[1m{level:<7}{ESC}[0m {rest}"


CONTEXT = f"{ESC}[38;5;30m[DynamicProvider:smsbower]{ESC}[0m"
OLD = [
    ("[DynamicProvider:smsbower] GET https://x.example/a?api_key=KEY", BreakerEvent("request", "smsbower")),
    ('[DynamicProvider:smsbower] Headers: {"Accept":"*/*"}', None),
    ("[DynamicProvider:smsbower] 429 Retry in 2000ms", BreakerEvent("retry", "smsbower", 429)),
    (
        "[DynamicProvider:smsbower] Request failed: ProviderApiError: API Request Failed (503 Service Unavailable)",
        BreakerEvent("failed", "smsbower", 503),
    ),
    ("    at async r.request (/app/.next/server/chunks/4821.js:1:20331) {", None),
    ("  status: 503,", None),
    ("  responseBody: 'upstream down',", None),
    ("}", None),
    ("[DynamicProvider:smsbower] Circuit OPEN - Failing fast", BreakerEvent("open", "smsbower")),
    ("[DynamicProvider:smsbower] Request failed: Error: Breaker is open", BreakerEvent("rejected", "smsbower")),
    ("  code: 'EOPENBREAKER'", None),
    ("[DynamicProvider:smsbower] Request failed: TypeError: fetch failed", BreakerEvent("failed", "smsbower")),
    ("[DynamicProvider:smsbower] Circuit HALF-OPEN - Testing", BreakerEvent("half-open", "smsbower")),
    ("[DynamicProvider:smsbower] Circuit CLOSED - Recovered", BreakerEvent("closed", "smsbower")),
    ("[PURCHASE] Provider failed. Rolling back... Checked: smsbower(UNKNOWN)", None),
    (pino("SmartRouter: Purchase failed on smsbower: API Request Failed (503 Service Unavailable)"), None),
    (pino("Circuit breaker opened", providerId=UUID, consecutiveFailures=6), BreakerEvent("shared", UUID)),
    (pino("[Lifecycle] Circuit breaker OPENED - provider failing"), BreakerEvent("lifecycle", state="open")),
    (pino("[Reconcile] Activation 0d9c... -> FAILED (stuck)"), None),
    (
        f"[10:20:01] {ESC}[33mWARN{ESC}[39m: {ESC}[36m[DynamicProvider:a] Circuit OPEN - Failing fast{ESC}[39m",
        BreakerEvent("open", "a"),
    ),
    (f'    {ESC}[35menv{ESC}[39m: "development"', None),
]
HEAD_JSON = [
    (
        pino(f"{ESC}[1mGET{ESC}[0m https://x", context="DynamicProvider:smsbower", type="upstream_request"),
        BreakerEvent("request", "smsbower"),
    ),
    (pino("[DynamicProvider:smsbower] 429 Retry in 4000ms"), BreakerEvent("retry", "smsbower", 429)),
    (
        pino(f"{ESC}[31m503{ESC}[0m GET https://x", context="DynamicProvider:s", type="upstream_response", status=503),
        BreakerEvent("response", "s", 503),
    ),
    (
        pino("[DynamicProvider:smsbower] Request failed", error="API Request Failed (503 Service Unavailable)"),
        BreakerEvent("failed", "smsbower", 503),
    ),
    (pino("[DynamicProvider:smsbower] Request failed", error={}), BreakerEvent("failed", "smsbower")),
    (pino("[DynamicProvider:smsbower] Circuit OPEN - Failing fast"), BreakerEvent("open", "smsbower")),
    (pino("[DynamicProvider:smsbower] Request failed", error="Breaker is open"), BreakerEvent("rejected", "smsbower")),
    (pino("[DynamicProvider:smsbower] Circuit HALF-OPEN - Testing"), BreakerEvent("half-open", "smsbower")),
    (pino("[DynamicProvider:smsbower] Circuit CLOSED - Recovered"), BreakerEvent("closed", "smsbower")),
    (
        pino("Circuit breaker opened", providerId=UUID, consecutiveFailures=5, openDurationMs=300000),
        BreakerEvent("shared", UUID, open_s=300.0),
    ),
    (pino("Failed to process 8b7e2a10", context="OUTBOX", error="Breaker is open"), None),
    (pino("[GeminiPool:fast] Circuit OPEN - Failing over"), None),
]
HEAD_PRETTY = [
    (
        pretty("INFO", f"{CONTEXT} {ESC}[38;5;190m◆{ESC}[0m {ESC}[1mGET{ESC}[0m https://x{ESC}[0m"),
        BreakerEvent("request", "smsbower"),
    ),
    (
        pretty("WARN", f"{ESC}[38;5;208m⚠{ESC}[0m {ESC}[38;5;255m[DynamicProvider:smsbower] 429 Retry in 4000ms"),
        BreakerEvent("retry", "smsbower", 429),
    ),
    (
        pretty("ERROR", f'{CONTEXT} {ESC}[31m✖{ESC}[0m {ESC}[1m503{ESC}[0m GET https://x • 7312ms › {{"status":503}}'),
        BreakerEvent("response", "smsbower", 503),
    ),
    (
        pretty(
            "ERROR", '✖ [DynamicProvider:smsbower] Request failed › {"error":"API Request Failed (502 Bad Gateway)"}'
        ),
        BreakerEvent("failed", "smsbower", 502),
    ),
    (
        pretty("WARN", f"{ESC}[38;5;208m⚠{ESC}[0m [DynamicProvider:smsbower] Circuit OPEN - Failing fast{ESC}[0m"),
        BreakerEvent("open", "smsbower"),
    ),
    (
        pretty("ERROR", '✖ [DynamicProvider:smsbower] Request failed › {"error":"Breaker is open","duration":"1ms"}'),
        BreakerEvent("rejected", "smsbower"),
    ),
    (pretty("INFO", "◆ [DynamicProvider:smsbower] Circuit HALF-OPEN - Testing"), BreakerEvent("half-open", "smsbower")),
    (pretty("SUCCESS", "✔ [DynamicProvider:smsbower] Circuit CLOSED - Recovered"), BreakerEvent("closed", "smsbower")),
    (
        pretty("ERROR", f'✖ Circuit breaker opened › {{"providerId":"{UUID}","openDurationMs":300000}}'),
        BreakerEvent("shared", UUID, open_s=300.0),
    ),
    (pretty("ERROR", '[OUTBOX] ✖ Failed to process 8b7e... › {"error":"Breaker is open"}'), None),
    (f"{ESC}[2J{ESC}[H{ESC}[1A NexNum", None),
]


@pytest.mark.parametrize(("line", "event"), OLD + HEAD_JSON + HEAD_PRETTY)
def test_each_format_s_line_says_what_it_says(line: str, event: BreakerEvent | None) -> None:
    assert parse(line.encode()) == event


@pytest.mark.parametrize(
    "line",
    [
        "  responseBody: '[DynamicProvider:evil] Circuit OPEN - Failing fast',",
        "responseBody [DynamicProvider:evil] Circuit OPEN - Failing fast",
        pino("Purchase failed: [DynamicProvider:evil] Circuit OPEN - Failing fast"),
        pino("x", error="[DynamicProvider:evil] Circuit OPEN - Failing fast"),
        '{"msg":"[DynamicProvider:evil] Circuit OPEN',
        '{"msg":{"a":"[DynamicProvider:evil] Circuit OPEN"},"context":["DynamicProvider:x"]}',
        "[DynamicProvider:evil] Circuit OPENED",
        "[DynamicProvider:" + "x" * 5000 + "] Circuit OPEN - Failing fast",
        "{" * 20_000 + "DynamicProvider:",
        "",
    ],
)
def test_a_line_that_only_quotes_a_breaker_is_none(line: str) -> None:
    assert parse(line.encode()) is None


def test_a_provider_s_name_may_hold_markup_escapes_and_right_to_left_text() -> None:
    for name, shown in (("[red]x[/]", "[red]x[/]"), ("a]b", "a]b"), (f"{ESC}[31mx\u202ey", "xy"), ("🙂", "🙂")):
        assert parse(f"[DynamicProvider:{name}] Circuit OPEN - Failing fast".encode()) == BreakerEvent("open", shown)
        assert parse(
            pino("GET x", context=f"DynamicProvider:{name}", type="upstream_request").encode()
        ) == BreakerEvent("request", shown)


@given(st.binary(max_size=300))
def test_no_bytes_whatever_make_the_parser_fail(noise: bytes) -> None:
    for prefix in (b"", b"[DynamicProvider:x] ", b'{"msg":"DynamicProvider:', b"\x1b[90m[14:14:36] "):
        parse(prefix + noise)


# --- the fold


def folded(*events: tuple[float, BreakerEvent]) -> tuple[BreakerHistory, PodBreakers, Breaker]:
    history, pod = BreakerHistory(), PodBreakers()
    for seconds, event in events:
        history.fold(pod, at(seconds), event)
    return history, pod, pod.breakers["x"]


def event(kind: str, status: int = 0) -> BreakerEvent:
    return BreakerEvent(kind, "X", status)


def test_a_breaker_goes_through_its_states_with_their_times() -> None:
    for kinds, state in ((["open"], "open"), (["open", "half-open"], "half-open"), (["half-open", "closed"], "closed")):
        _, _, breaker = folded(*((index, event(kind)) for index, kind in enumerate(kinds)))
        assert (breaker.settle(at(9)), breaker.since) == (state, at(len(kinds) - 1))


def test_a_rejected_request_proves_an_open_breaker_of_unknown_age() -> None:
    _, _, breaker = folded((0, event("request")), (0, event("rejected")))
    assert (breaker.settle(at(99)), breaker.since) == ("open", None)


def test_a_half_open_breaker_rejects_what_comes_beside_its_probe_and_stays_half_open() -> None:
    _, _, breaker = folded(
        (0, event("half-open")), (1, event("request")), (1, event("request")), (1, event("rejected"))
    )
    assert (breaker.settle(at(200)), breaker.since) == ("half-open", at(0))


def test_one_request_line_does_not_prove_a_closed_breaker_because_it_is_logged_before_the_breaker_is_asked() -> None:
    _, _, breaker = folded((0, event("request")))
    assert breaker.settle(at(30)) == "unknown"
    assert breaker.settle(at(61)) == "closed"


def test_two_request_lines_that_nothing_rejects_prove_a_closed_breaker() -> None:
    _, _, breaker = folded((0, event("request")), (1, event("request")))
    assert breaker.settle(at(2)) == "unknown"
    assert (breaker.settle(at(4)), breaker.since) == ("closed", None)
    _, _, busy = folded(*((second, event("request")) for second in range(5)))
    assert busy.settle(at(4)) == "closed"


def test_a_late_request_line_does_not_close_an_open_breaker() -> None:
    _, _, breaker = folded((0, event("open")), *((n, event("request")) for n in range(1, 9)))
    assert breaker.settle(at(400)) == "open"


def test_answers_are_counted_once_though_newer_versions_write_two_lines_for_each() -> None:
    head = [(1, event("response", 503)), (1, event("failed", 503)), (2, event("retry", 429)), (9, event("failed", 429))]
    history, _, _ = folded(*head)
    traffic = history.traffic["x"]
    assert (traffic.seen_5xx(at(10)), traffic.seen_429(at(10)), traffic.last) == (1, 2, at(9))
    assert (traffic.seen_5xx(at(700)), traffic.seen_429(at(700))) == (0, 0)


def test_openings_are_counted_for_ten_minutes() -> None:
    history, _, breaker = folded(*((n * 100, event("open")) for n in range(5)))
    assert (history.traffic["x"].opened(at(500)), breaker.opened(at(500), 600)) == (5, 5)
    assert (history.traffic["x"].opened(at(900)), breaker.opened(at(900), 600)) == (2, 2)


def test_a_new_process_forgets_what_the_old_one_knew_and_nothing_younger() -> None:
    _, pod, _ = folded((0, event("open")), (50, BreakerEvent("open", "young")))
    pod.covered = True
    pod.forget(before=at(20))
    states = {name: breaker.state for name, breaker in pod.breakers.items()}
    assert (states, pod.covered) == ({"x": "unknown", "young": "open"}, False)
    assert pod.breakers["x"].opened(at(60), 600) == 1  # how often it opened stays true


def test_the_shared_breaker_s_line_is_history_by_uuid() -> None:
    history = BreakerHistory()
    assert history.fold(PodBreakers(), at(3), BreakerEvent("shared", UUID, open_s=300.0))
    assert (history.shared[UUID].at, history.shared[UUID].open_s) == (at(3), 300.0)


def test_memory_is_bounded_whatever_names_and_times_a_log_invents() -> None:
    history, pod = BreakerHistory(), PodBreakers()
    for number in range(6_000):
        history.fold(pod, at(number), BreakerEvent("open", f"p{number}"))
        history.fold(pod, at(number), BreakerEvent("shared", f"u{number}"))
    assert (len(history.traffic), len(pod.breakers), len(history.shared), history.dropped) == (5000, 5000, 5000, 2000)
    count = Count()
    for number in range(10_000):
        count.add(at(number * 10))
    assert (count.total(at(100_000)), len(count._steps)) == (60, 60)


# --- lines and streams


def stamped(seconds: float, text: str) -> bytes:
    return at(seconds).strftime("%Y-%m-%dT%H:%M:%S.%f").encode() + b"789Z " + text.encode()


@given(st.lists(st.binary(max_size=40).filter(lambda line: b"\n" not in line), max_size=20), st.integers(1, 50))
def test_chunks_of_any_size_give_the_same_lines(lines: list[bytes], size: int) -> None:
    whole = b"".join(line + b"\n" for line in lines)
    cutter, found = LineCutter(), []
    for start in range(0, len(whole), size):
        found += cutter.cut(whole[start : start + size])
    assert found == lines


@pytest.mark.parametrize("size", [1_000, 65_536, LONGEST_LINE, 3_000_000])
def test_a_line_of_megabytes_is_cut_and_never_held(size: int) -> None:
    whole = b"a\n" + b"x" * 2_000_000 + b"\nb\n"
    cutter, found = LineCutter(), []
    began = time.process_time()
    for start in range(0, len(whole), size):
        found += cutter.cut(whole[start : start + size])
        assert len(cutter._rest) <= LONGEST_LINE
    assert found == [b"a", b"x" * LONGEST_LINE, b"b"]
    assert time.process_time() - began < 1.0


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"2026-01-10T10:20:00.123456789Z x", START.replace(microsecond=123456)),
        (b"2026-01-10T15:50:00.1+05:30 x", START.replace(microsecond=100000)),
        (b"2026-01-10T10:20:00Z", START),
        (b"failed to try resolving symlinks in path", None),
        (b"2026-13-10T10:20:00.123456789Z x", None),
        (b"", None),
    ],
)
def test_the_kubelet_s_time_is_read_where_there_is_one(line: bytes, expected: datetime | None) -> None:
    assert moment(line) == expected


def test_a_new_stream_goes_on_after_the_last_line_without_doubles() -> None:
    reader = Reader()
    assert reader.since(900, 2000) == {"tailLines": "2000", "sinceSeconds": "900"}
    reader.reopen()
    first = [stamped(0.2, "a"), stamped(0.4, "b"), stamped(0.4, "b")]
    assert reader.fresh(first) == (first, False)
    assert reader.since(900, 2000) == {"tailLines": "2000", "sinceTime": "2026-01-10T10:20:00Z"}
    reader.reopen()
    assert reader.fresh(first[:2]) == ([], False)
    more = [first[2], stamped(0.4, "same moment, new"), stamped(0.5, "c")]
    assert reader.fresh(more) == (more[1:], False)


def test_a_new_stream_without_the_last_line_has_a_gap_before_it() -> None:
    reader = Reader()
    reader.reopen()
    reader.fresh([stamped(1, "a")])
    reader.reopen()
    assert reader.fresh([stamped(9, "z")]) == ([stamped(9, "z")], True)


def test_after_a_gap_a_breaker_s_state_is_no_longer_known() -> None:
    pod, history = PodLog("p"), BreakerHistory()
    pod.open(900, 2000, START)
    assert pod.take(stamped(1, "[DynamicProvider:x] Circuit OPEN - Failing fast") + b"\n", history, Purchases())
    pod.open(900, 2000, START)
    pod.take(stamped(1, "[DynamicProvider:x] Circuit OPEN - Failing fast") + b"\n", history, Purchases())
    assert pod.breakers.breakers["x"].state == "open"
    assert history.traffic["x"].opened(at(2)) == 1
    pod.open(900, 2000, START)
    pod.take(stamped(60, "much later") + b"\n", history, Purchases())
    assert pod.breakers.breakers["x"].state == "unknown"
    assert pod.breakers.breakers["x"].opened(at(60), 600) == 1


@pytest.mark.parametrize(
    ("started", "first", "count", "covered"),
    [
        (-60, -58, 9, True),  # all its lines
        (-60, -58, 2000, True),  # as many as asked for, but from the beginning on
        (-60, -20, 2000, False),  # the beginning was cut away
        (-2000, -800, 9, False),  # older than what was asked for
    ],
)
def test_silence_proves_something_only_if_the_log_is_known_from_its_beginning(
    started: float, first: float, count: int, covered: bool
) -> None:
    pod = PodLog("p")
    pod.born(at(started))
    pod.open(900, 2000, START)
    lines = [stamped(first, "x") + b"\n"] * (count - 1)
    pod.take(b"".join([*lines, stamped(0, "now") + b"\n"]), BreakerHistory(), Purchases())
    assert pod.settle(2000)
    assert pod.breakers.covered is covered


def test_a_restarted_container_starts_anew() -> None:
    pod, history = PodLog("p"), BreakerHistory()
    pod.born(at(-60))
    pod.open(900, 2000, START)
    pod.take(
        stamped(-59, "hello") + b"\n" + stamped(0, "[DynamicProvider:x] Circuit OPEN - x") + b"\n", history, Purchases()
    )
    pod.settle(2000)
    pod.born(at(10))
    assert (pod.breakers.breakers["x"].state, pod.breakers.covered) == ("unknown", False)
    pod.open(900, 2000, at(11))
    pod.take(stamped(10.5, "hello") + b"\n" + stamped(11, "x") + b"\n", history, Purchases())
    pod.settle(2000)
    assert pod.breakers.covered


def test_a_log_that_grows_faster_than_it_is_read_tells_how_late_it_is() -> None:
    pod = PodLog("p")
    pod.open(900, 2000, START)
    pod.take((stamped(0, "x" * 100) + b"\n") * 2000, BreakerHistory(), Purchases())
    assert (pod.behind_s(at(5)), pod.behind_s(at(30))) == (0.0, 30.0)
    pod.take(stamped(1, "the rest") + b"\n", BreakerHistory(), Purchases())
    assert pod.behind_s(at(30)) == 0.0


def settled(pod: PodLog, *lines: bytes, tail: int = 2000) -> PodLog:
    pod.open(900, tail, START)
    pod.take(b"".join(line + b"\n" for line in lines), BreakerHistory(), Purchases())
    assert pod.settle(tail)
    return pod


def test_lines_reach_back_to_what_was_asked_for_unless_they_were_cut_or_the_pod_is_younger() -> None:
    whole = settled(PodLog("p"), stamped(-60, "x"), stamped(0, "now"))
    assert whole.reach_s(START) == 900
    cut = settled(PodLog("p"), stamped(-60, "x"), stamped(0, "now"), tail=2)
    assert cut.reach_s(START) == 60
    assert cut.reach_s(at(30)) == 90  # while it is followed, the reach grows
    young = PodLog("p")
    young.born(at(-30), 0)
    assert settled(young, stamped(-29, "x"), stamped(0, "now")).reach_s(START) == 3600  # it has said nothing before
    again = PodLog("p")
    again.born(at(-30), 2)  # what the process before it said is not read
    assert settled(again, stamped(-29, "x"), stamped(0, "now")).reach_s(START) == 30
    assert PodLog("p").reach_s(START) == 0


def test_after_a_gap_the_lines_reach_back_to_its_end() -> None:
    pod = settled(PodLog("p"), stamped(-60, "x"), stamped(0, "now"))
    pod.open(900, 2000, at(50))
    pod.take(stamped(40, "much later") + b"\n", BreakerHistory(), Purchases())
    assert pod.reach_s(at(50)) == 10


def test_what_was_there_before_is_no_news_until_it_has_been_read() -> None:
    pod = PodLog("p")
    pod.open(900, 2000, START)
    pod.take(stamped(-500, "[DynamicProvider:x] Circuit OPEN - Failing fast") + b"\n", BreakerHistory(), Purchases())
    assert pod.reads_backlog
    pod.take(stamped(0, "now") + b"\n", BreakerHistory(), Purchases())
    assert pod.settle(2000) and not pod.reads_backlog
    pod.open(900, 2000, at(5))  # a stream that ended goes on at once: that is no backlog
    assert not pod.reads_backlog
    pod.open(900, 2000, at(120))
    assert pod.reads_backlog


@pytest.mark.parametrize("module", [breaker_lines, funnel_lines])
def test_every_line_with_a_mark_is_parsed_however_many_marks_there_are(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType
) -> None:
    parsed: list[bytes] = []
    marks = (*module.MARKS, b"Quite new:")
    monkeypatch.setattr(module, "parse", parsed.append)
    monkeypatch.setattr(module, "MARKS", marks)
    texts = ["nothing of it", *(f"with {mark.decode()} in it" for mark in marks)]
    PodLog("p").take(b"".join(stamped(0, text) + b"\n" for text in texts), BreakerHistory(), Purchases())
    assert parsed == [text.encode() for text in texts[1:]]
