"""Purchases from log lines: each format's lines, what they come to, and what a log can't do to a console."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nexconsole.signals.funnel_parts import between, by_pod, newest, now_and_before, relapses, usual
from nexconsole.sources import funnel_lines, purchase_tally
from nexconsole.sources.breakers import BreakerHistory
from nexconsole.sources.distinct_count import KEPT, Distinct, distinct
from nexconsole.sources.funnel_lines import FAILURES, REFUSALS, FunnelStep, failure, parse
from nexconsole.sources.pod_log import PodLog
from nexconsole.sources.purchase_tally import PodPurchases
from nexconsole.sources.purchases import Purchases

START = datetime(2026, 11, 29, 3, 30, tzinfo=UTC)
T = START.timestamp()
ESC = "\x1b"


def pino(msg: str, context: str | None = "PURCHASE", **meta: object) -> bytes:
    entry = {"level": "info", "time": 1, "requestId": "r1", **({"context": context} if context else {}), **meta}
    return json.dumps({**entry, "msg": msg}).encode()


def head(kind: str, purchase: str = "p1", **meta: object) -> bytes:
    return pino(f"[PURCHASE_{kind}] text", correlationId=purchase, **meta)


def pretty(kind: str, meta: str, level: str = "INFO") -> bytes:
    return (
        f"{ESC}[90m[04:09:31]{ESC}[0m {ESC}[38;5;190m{ESC}[1m{level:<7}{ESC}[0m {ESC}[38;5;30m[PURCHASE]{ESC}[0m"
        f" {ESC}[38;5;190m◆{ESC}[0m {ESC}[38;5;255m[PURCHASE_{kind}] some words{ESC}[0m {ESC}[36m• 12ms{ESC}[0m"
        f" {ESC}[90m›{ESC}[0m {ESC}[2m{meta}{ESC}[0m"
    ).encode()


OLD = "[PURCHASE] "
LINES = [
    (
        head("INIT", body={"provider": "SmsBower"}, userId="u1"),
        FunnelStep("init", "p1", "smsbower", "u1", request="r1"),
    ),
    (head("INIT", body={"useBestRoute": True}), FunnelStep("init", "p1", request="r1")),
    (head("OFFER_RESOLVED", providerName="5sim"), FunnelStep("offer", "p1", "5sim", request="r1")),
    (
        head("OFFER_NOT_FOUND", resolvedProvider="5sim"),
        FunnelStep("refused", "p1", "5sim", reason="no offer", request="r1"),
    ),
    (head("NO_ROUTE"), FunnelStep("refused", "p1", reason="no route", request="r1")),
    (
        head("ELIGIBILITY_DENIED", code="E_INSUFFICIENT_FUNDS"),
        FunnelStep("refused", "p1", reason="funds", request="r1"),
    ),
    (head("ELIGIBILITY_DENIED", code="E_VELOCITY_LIMIT"), FunnelStep("refused", "p1", reason="velocity", request="r1")),
    (head("ELIGIBILITY_DENIED", code="E_BANNED"), FunnelStep("refused", "p1", reason="other", request="r1")),
    (head("LOCK_CONFLICT"), FunnelStep("refused", "p1", reason="lock", request="r1")),
    (head("PRICE_EXCEEDED"), FunnelStep("refused", "p1", reason="price", request="r1")),
    (head("VALIDATION_FAIL"), FunnelStep("refused", "p1", reason="input", request="r1")),
    (head("ELIGIBILITY_PASSED"), FunnelStep("eligible", "p1", request="r1")),
    (head("LOCK_ACQUIRED"), FunnelStep("locked", "p1", request="r1")),
    (head("RESERVE_SUCCESS"), FunnelStep("reserved", "p1", request="r1")),
    (head("PROVIDER_CALL_START", providerName="5sim"), FunnelStep("called", "p1", "5sim", request="r1")),
    (
        head("PROVIDER_CALL_SUCCESS", providerName="smsbower", activationId="5sim:21"),
        FunnelStep("bought", "p1", "5sim", request="r1"),
    ),
    (
        head("PROVIDER_CALL_FAIL", providerName="5sim", error="Provider '5sim' is not active or healthy"),
        FunnelStep("failed", "p1", "5sim", reason="not active", request="r1"),
    ),
    (head("COMPLETE", providerName="5SIM"), FunnelStep("sold", "p1", "5sim", request="r1")),
    (head("CRITICAL_FAIL", error="Insufficient funds"), FunnelStep("crashed", "p1", reason="funds", request="r1")),
    (head("IDEMPOTENT_REPLAY"), FunnelStep("replay", "p1", request="r1")),
    (head("BEST_ROUTE_EXHAUSTED"), None),
    (pino("[PURCHASE_COMPLETE] x", context=None, correlationId="p1"), None),
    (pino("said [PURCHASE_COMPLETE] x", correlationId="p1"), None),
    (head("COMPLETE", purchase=""), None),
    (head("COMPLETE", purchase="x" * 101), None),
    (pino("[PURCHASE_COMPLETE] x", correlationId=7), None),
    (
        pino("SmartRouter: Purchase failed on 5sim: fetch failed", context=None),
        FunnelStep("why", "", "5sim", reason="no answer", request="r1"),
    ),
    (
        pino("SmartRouter: Attempting purchase from 5sim for 22...", context=None),
        FunnelStep("called", "", "5sim", old=True),
    ),
    (
        pino("[Lifecycle] Scheduling polling", context=None, numberId="n1", activationId="5sim:2"),
        FunnelStep("seller", "n1", "5sim", old=True),
    ),
    (
        pretty("INIT", '{"correlationId":"p1","userId":"u1","body":{"provider":"5sim"}}'),
        FunnelStep("init", "p1", "5sim", "u1"),
    ),
    (
        pretty("PROVIDER_CALL_FAIL", '{"correlationId":"p1","error":"a › {"}', "ERROR"),
        FunnelStep("failed", "p1", reason="other"),
    ),
    (pretty("COMPLETE", "no meta"), None),
    (pretty("COMPLETE", '{"correlationId":'), None),
    (
        b"[04:09:31] ERROR  \xe2\x9c\x96 SmartRouter: Purchase failed on 5sim: Breaker is open",
        FunnelStep("why", "", "5sim", reason="breaker open"),
    ),
    ((OLD + "Attempting purchase: {").encode(), FunnelStep("opened", reason="init", old=True)),
    ((OLD + "Attempting purchase: { input: { provider: '5sim' } }").encode(), FunnelStep("init", "", "5sim", old=True)),
    (
        (OLD + "No offer found for: { serviceInput: 'wa', provider: '5sim' }").encode(),
        FunnelStep("refused", "", "5sim", reason="no offer", old=True),
    ),
    ((OLD + "Found offer: { provider: '5sim', price: 1.6, stock: 500, operatorId: 1 }").encode(), None),
    ((OLD + "Found offer: { providerName: '5sim' }").encode(), FunnelStep("offer", "", "5sim", old=True)),
    ((OLD + "Reserved funds. Order: 82-a, Activation: 40-b").encode(), FunnelStep("reserved", "82-a", old=True)),
    (
        (OLD + "Provider failed. Rolling back... Provider '5sim' is not active or healthy").encode(),
        FunnelStep("failed", "", "5sim", reason="not active", old=True),
    ),
    (
        (OLD + "Provider failed. Rolling back... All failed. Checked: 5sim(UNKNOWN)").encode(),
        FunnelStep("failed", "", "5sim", reason="other", old=True),
    ),
    ((OLD + "Success! Number: e7-d").encode(), FunnelStep("sold", "e7-d", old=True)),
    ((OLD + "Critical Error: Error: Insufficient funds").encode(), FunnelStep("crashed", reason="funds", old=True)),
    ((OLD + "Looking up offer with filter: {").encode(), None),
    (b"  responseBody: '[PURCHASE] Success! Number: 1',", None),
]


@pytest.mark.parametrize(("line", "step"), LINES)
def test_each_line_says_what_it_says(line: bytes, step: FunnelStep | None) -> None:
    assert parse(line) == step


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("API Request Failed (503 Service Unavailable)", "5xx"),
        ("API Request Failed (429 Too Many Requests)", "429"),
        ("API Request Failed (401 Unauthorized)", "bad key"),
        ("Breaker is open", "breaker open"),
        ("fetch failed", "no answer"),
        ("timed out after 10 s", "no answer"),
        ('Failed to parse number response. Raw: "BAD_KEY"', "bad key"),
        ("NO_NUMBERS", "no stock"),
        ('Failed to parse number response. Raw: "NO_BALANCE"', "no balance"),
        ('Failed to parse number response. Raw: "<html>"', "bad answer"),
        ('Failed to parse number response. Raw: "BAD_SERVICE"', "bad request"),
        ("canceling statement due to lock timeout", "lock timeout"),
        ("remaining connection slots are reserved for roles with the SUPERUSER attribute", "no connection"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "redis full"),
        ("connect ECONNREFUSED 10.0.0.4:6379", "redis"),
        ("Can't reach database server at db:5432", "database"),
        ("cannot execute UPDATE in a read-only transaction", "read-only"),
        ('fetch failed › {"mappedErrorType":"NO_STOCK"}', "no answer"),
        ("x" * 10_000 + "fetch failed", "other"),
        ("", "other"),
    ],
)
def test_failures_are_of_few_kinds(text: str, kind: str) -> None:
    assert failure(text) == kind
    assert kind in FAILURES


@given(st.binary(max_size=300))
def test_no_bytes_whatever_make_the_parser_fail(noise: bytes) -> None:
    starts = (b"", b"[PURCHASE] ", b'{"context":"PURCHASE","msg":"[PURCHASE_', b"[04:09:31] INFO ", b"SmartRouter: ")
    for start in starts:
        parse(start + noise)


# --- the fold


class Fold:
    """Steps of some pods, `at` seconds after the start."""

    def __init__(self, pods: int = 1) -> None:
        self.purchases = Purchases()
        self.pods = [PodPurchases() for _ in range(pods)]

    def tell(self, at: float, *found: bytes, pod: int = 0) -> Fold:
        for line in found:
            step = parse(line)
            if step is not None:
                self.purchases.fold(self.pods[pod], T + at, step)
            elif self.pods[pod].reading:
                self.purchases.go_on(self.pods[pod], line)
        return self

    def ended(self, now: float = 60, window_s: float = 600) -> Counter[tuple[str, str, str]]:
        found = Counter()
        for key, many in self.purchases.window(T + now, window_s).ended.items():
            found[key.provider, key.outcome, key.reason] += many
        return found


def test_a_purchase_goes_through_its_stages_and_is_counted_at_its_seller() -> None:
    fold = Fold().tell(0, head("INIT", body={"provider": "smsbower"}), head("OFFER_RESOLVED", providerName="smsbower"))
    fold.tell(1, head("RESERVE_SUCCESS"), head("PROVIDER_CALL_START", providerName="smsbower"))
    (one,) = fold.purchases.open.values()
    assert (one.provider, one.stage, one.began) == ("smsbower", purchase_tally.CALLED, T)
    fold.tell(3, head("PROVIDER_CALL_SUCCESS", providerName="5SIM", activationId="5sim:9"))
    fold.tell(4, head("COMPLETE", providerName="5SIM"))  # the display name
    assert fold.ended() == {("5sim", "sold", ""): 1}
    assert (list(fold.purchases.took), fold.purchases.decided_at) == ([4.0], T + 4)
    assert {name: list(began) for name, began in fold.purchases.passed_on.items()} == {"5sim": [T]}


def test_a_sale_that_another_was_asked_for_first_does_not_say_how_slow_its_seller_is() -> None:
    direct, passed_on = [(T + n, 0.5) for n in range(6)], [(T + 10 + n, 9.0) for n in range(20)]
    assert now_and_before([*direct, *passed_on], T + 40, [began for began, _ in passed_on])[0] == 0.5
    assert now_and_before([*direct, *passed_on], T + 40)[0] == 9.0
    assert now_and_before(passed_on, T + 40, [began for began, _ in passed_on]) == (None, None)


def test_who_hardly_sells_any_more_is_as_slow_as_its_last_sales() -> None:
    fast, last = [(T + n, 0.5) for n in range(60)], [(T + 300 + 60 * n, 8.0) for n in range(5)]
    assert now_and_before([*fast, *last], T + 600)[0] == 8.0


def test_a_pod_that_refuses_for_want_of_an_offer_fails_and_one_that_refuses_the_poor_does_not() -> None:
    fold = Fold(2).tell(0, head("INIT"), head("OFFER_NOT_FOUND", resolvedProvider="5sim"))
    fold.tell(0, head("INIT", "p2"), head("ELIGIBILITY_DENIED", "p2", code="E_INSUFFICIENT_FUNDS"), pod=1)
    assert [list(pod.decided) for pod in fold.pods] == [[(T, True)], []]


def test_what_an_open_breaker_rejected_is_kept_beside_the_outcomes() -> None:
    why = pino("SmartRouter: Purchase failed on 5sim: Breaker is open", context=None)
    fold = Fold().tell(0, head("INIT"), why)
    fold.tell(1, head("PROVIDER_CALL_FAIL", providerName="5sim", error="No numbers available right now."))
    assert (list(fold.purchases.rejected["5sim"]), list(fold.purchases.outcomes["5sim"])) == ([T], [(T, True)])


def test_the_router_s_word_on_a_failure_is_its_reason_by_the_request_or_by_what_stands_just_before() -> None:
    fold = Fold().tell(0, head("INIT"), pino("SmartRouter: Purchase failed on 5sim: Breaker is open", context=None))
    fold.tell(1, head("PROVIDER_CALL_FAIL", providerName="5sim", error="No numbers available right now."))
    why = pino("SmartRouter: Purchase failed on 5sim: fetch failed", context=None, requestId="another")
    fold.tell(2, head("INIT", "p2", requestId="r2"), why)
    fold.tell(2, head("PROVIDER_CALL_FAIL", "p2", requestId="r2", providerName="5sim", error="No numbers"))
    assert fold.ended() == {("5sim", "failed", "breaker open"): 1, ("5sim", "failed", "other"): 1}
    old = Fold().tell(0, (OLD + "Attempting purchase: { input: { provider: '5sim' } }").encode(), why)
    old.tell(1, (OLD + "Provider failed. Rolling back... Checked: 5sim(UNKNOWN)").encode())
    old.tell(9, (OLD + "Provider failed. Rolling back... Checked: 5sim(UNKNOWN)").encode())  # too late to be of it
    assert old.ended() == {("5sim", "failed", "no answer"): 1, ("5sim", "failed", "other"): 1}


def test_a_line_that_comes_twice_counts_once_and_an_id_that_is_used_again_is_no_new_customer() -> None:
    bought = [head(kind) for kind in ("INIT", "OFFER_RESOLVED", "COMPLETE")]
    fold = Fold(2).tell(0, *bought, *bought)
    fold.tell(5, *bought, pod=1)
    assert sum(fold.ended().values()) == 1
    assert sum(minute.attempts for minute in fold.purchases.minutes.values()) == 1
    number = (OLD + "Success! Number: e7-d").encode()
    old = Fold().tell(0, number, number).tell(3, number)
    assert sum(old.ended().values()) == 1


def test_an_answer_given_once_more_is_no_purchase() -> None:
    fold = Fold().tell(0, head("INIT"), head("IDEMPOTENT_REPLAY"), head("INIT"))
    assert (fold.ended(), fold.purchases.open) == ({}, {})
    assert sum(minute.attempts for minute in fold.purchases.minutes.values()) == 0


def test_a_crash_for_lack_of_funds_before_the_reservation_is_a_refusal_and_any_other_a_failure() -> None:
    fold = Fold().tell(0, head("INIT"), head("CRITICAL_FAIL", error="Insufficient funds"))
    fold.tell(0, head("INIT", "p2"), head("RESERVE_SUCCESS", "p2"), head("CRITICAL_FAIL", "p2", error="deadlock"))
    assert fold.ended() == {("", "refused", "funds"): 1, ("", "failed", "lock timeout"): 1}
    attempt = (OLD + "Attempting purchase: { input: { provider: '5sim' } }").encode()
    offer = (OLD + "Found offer: { providerName: '5sim' }").encode()
    old = Fold().tell(0, attempt, offer, (OLD + "Critical Error: Error: Insufficient funds").encode())
    assert old.ended() == {("5sim", "refused", "funds"): 1}


def test_who_asked_before_the_lines_begin_is_known_by_the_id_and_only_where_that_can_be_true() -> None:
    began = int((T - 90) * 1000)
    fold = Fold().tell(0, head("PROVIDER_CALL_START", f"purchase_{began}_ab12"))
    assert next(iter(fold.purchases.open.values())).began == T - 90
    for odd in (f"purchase_{int((T + 500) * 1000)}_x", "purchase_0000000000000_x", "purchase_9999999999999_x", "mine"):
        fold = Fold().tell(0, head("PROVIDER_CALL_START", odd))
        assert next(iter(fold.purchases.open.values())).began == T


def test_in_the_oldest_logs_a_lock_refuses_without_a_line_and_a_purchase_without_an_offer_says_so() -> None:
    attempt = (OLD + "Attempting purchase: { input: { provider: '5sim' } }").encode()
    offer = (OLD + "Found offer: { providerName: '5sim' }").encode()
    fold = Fold().tell(0, attempt, offer)
    assert (fold.ended(39), len(fold.purchases.open)) == ({}, 1)
    assert fold.ended(41) == {("5sim", "refused", "lock"): 1}
    fold = Fold().tell(0, attempt, (OLD + "No offer found for: { provider: '5sim' }").encode())
    assert fold.ended() == {("5sim", "refused", "no offer"): 1}


def test_in_the_oldest_logs_who_names_no_provider_is_counted_at_the_offer_s() -> None:
    fold = Fold().tell(
        0, (OLD + "Attempting purchase: {").encode(), b"  input: {", b"    provider: undefined", b"  }", b"}"
    )
    assert [one.provider for one in fold.purchases.open.values()] == [""]
    fold.tell(0, (OLD + "Found offer: {").encode(), b"  providerName: '5sim',", b"  price: 1.5", b"}")
    assert [one.provider for one in fold.purchases.open.values()] == ["5sim"]
    fold.tell(1, (OLD + "Reserved funds. Order: 1, Activation: 2").encode())
    fold.tell(2, pino("[Lifecycle] Scheduling polling", context=None, numberId="n1", activationId="5sim:2"))
    fold.tell(2, (OLD + "Success! Number: n1").encode())
    assert (fold.ended(), fold.purchases.open) == ({("5sim", "sold", ""): 1}, {})


def test_what_a_process_had_under_way_is_lost_with_it_and_what_lay_in_a_gap_is_forgotten() -> None:
    fold = Fold(2).tell(0, head("INIT")).tell(0, head("INIT", "p2"), pod=1)
    fold.purchases.restart(fold.pods[0], T + 5)
    assert fold.ended() == {("", "lost", ""): 1}
    assert list(fold.purchases.open) == ["p2"]
    fold.purchases.forget(fold.pods[1])
    assert (fold.purchases.open, sum(minute.attempts for minute in fold.purchases.minutes.values())) == ({}, 1)
    fold.tell(9, head("COMPLETE", "p2"), pod=1)  # its end comes after all
    assert fold.ended() == {("", "lost", ""): 1, ("", "sold", ""): 1}


def test_after_two_hours_nobody_waits_any_more() -> None:
    fold = Fold().tell(0, head("INIT"), head("RESERVE_SUCCESS"))
    assert len(fold.purchases.window(T + 7_200, 300).waiting) == 1
    assert len(fold.purchases.window(T + 7_201, 300).waiting) == 0


def test_a_window_holds_what_began_in_it_whenever_that_ended() -> None:
    fold = Fold()
    for number in range(30):
        fold.tell(number * 10, head("INIT", f"p{number}"))
    for number in range(30):
        fold.tell(299, head("COMPLETE", f"p{number}"))
    for now, window_s, many in ((299, 300, 30), (299, 100, 10), (349, 100, 5), (299, 300, 30), (900, 300, 0)):
        assert sum(fold.ended(now, window_s).values()) == many


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 2_000), st.integers(0, 3), st.integers(1, 600)), max_size=60))
def test_the_window_s_totals_are_those_of_its_purchases_whatever_came_in_which_order(told) -> None:
    fold, began = Fold(), {}
    for number, (at, provider, window_s) in enumerate(told):
        fold.tell(at, head("INIT", f"p{number}", body={"provider": f"gw{provider}"}), head("NO_ROUTE", f"p{number}"))
        began[f"p{number}"] = (at, f"gw{provider}")
        now = max(at for at, _, _ in told[: number + 1])
        kept = sorted({int(T + at) // 10 for at, _ in began.values()})[-purchase_tally.STEPS :]
        first = -(-(T + now - window_s) // 10)
        wanted = Counter(name for at, name in began.values() if int(T + at) // 10 >= first)
        if {int(T + at) // 10 for at, _ in began.values() if int(T + at) // 10 >= first} <= set(kept):
            found = {key[0]: many for key, many in fold.ended(now, window_s).items()}
            assert found == wanted


# --- a log that means harm


def test_a_log_can_invent_what_it_likes_and_memory_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("OPEN", 300), ("REMEMBERED", 400), ("PROVIDERS", 50)):
        monkeypatch.setattr(purchase_tally, name, most)
        if name != "OPEN":
            monkeypatch.setattr(f"nexconsole.sources.purchases.{name}", most)
    fold = Fold()
    attempt = OLD + "Attempting purchase: {{ input: {{ provider: 'gw{}' }} }}"
    for number in range(3_000):
        fold.tell(number, head("INIT", f"p{number}", body={"provider": f"gw{number}"}, userId=f"u{number}"))
        fold.tell(number, pino(f"SmartRouter: Purchase failed on gw{number}: x", context=None, requestId=f"r{number}"))
        fold.tell(number, pino("Scheduling polling", context=None, numberId=f"n{number}", activationId="a:1"))
        fold.tell(number, attempt.format(number).encode())
    purchases, pod = fold.purchases, fold.pods[0]
    assert len(purchases.open) <= 300
    assert len(purchases._remembered) <= 400
    assert len(purchases._providers) <= 50
    assert len(purchases._why) <= 100 and len(pod.sellers) <= 100 and len(pod.why) <= 50
    assert len(purchases._stretches) <= purchase_tally.STEPS and len(purchases.minutes) <= purchase_tally.MINUTES
    assert sum(len(queue) for queue in pod.waiting.values()) <= 300
    assert len(pod.waiting) <= 52
    assert purchases.dropped > 0


def test_times_from_anywhere_neither_grow_memory_nor_break_the_figures() -> None:
    fold = Fold()
    for number in range(500):
        fold.tell((number * 7_919) % 10**6 - 5 * 10**5, head("INIT", f"p{number}"), head("COMPLETE", f"p{number}"))
    assert len(fold.purchases._stretches) <= purchase_tally.STEPS
    assert len(fold.purchases.minutes) <= purchase_tally.MINUTES
    fold.purchases.window(T, 300)


def test_huge_lines_and_objects_that_never_end_cost_nothing() -> None:
    pod, purchases, history = PodLog("p"), Purchases(), BreakerHistory()
    pod.open(900, 2000, START)
    stamp = b"2026-11-29T03:30:00.000000001Z "
    began = time.process_time()
    pod.take(stamp + b"[PURCHASE] Attempting purchase: {\n", history, purchases)
    for _ in range(50):
        pod.take(stamp + b"    provider: '" + b"x" * 200_000 + b"'\n", history, purchases)
        pod.take(stamp + head("COMPLETE", "x" * 90, error="y" * 100_000) + b"\n", history, purchases)
        pod.take(stamp + b"[04:09:31] INFO " + b" ".join([b"[PURCHASE]"] * 2_000) + b"\n", history, purchases)
    assert time.process_time() - began < 2.0
    assert pod.purchases.reading == "" and not purchases.open


def test_names_from_a_log_hold_no_controls_and_are_short() -> None:
    fold = Fold().tell(0, head("INIT", body={"provider": f"{ESC}[31mx\u202ey" + "z" * 300}))
    (one,) = fold.purchases.open.values()
    assert one.provider.startswith("xyz") and one.provider.isprintable() and len(one.provider) <= 120


# --- the customers


def test_users_are_counted_without_being_kept() -> None:
    fold = Fold(2)
    for number in range(40):
        fold.tell(0, head("INIT", f"a{number}", userId=f"user-{number % 8}"), pod=number % 2)
        fold.tell(0, head("NO_ROUTE" if number % 8 < 3 else "COMPLETE", f"a{number}"), pod=number % 2)
    window = fold.purchases.window(T, 300)
    assert (window.users, window.refused_users, window.users_without_funds) == (8, 3, 0)
    assert "user-" not in repr([vars(fold.purchases), [p.waiting for p in fold.pods]])
    other = Fold().tell(0, head("INIT", userId="user-1"))
    salted = {next(iter(other.purchases.open.values())).user for _ in range(1)}
    assert not salted & set().union(*(one.users.hashes for one in fold.purchases._stretches.values()))


def test_counting_different_ones_is_exact_for_some_and_near_for_many() -> None:
    def sketch(numbers) -> Distinct:
        import hashlib

        one = Distinct()
        for number in numbers:
            one.add(int.from_bytes(hashlib.blake2b(f"{number}".encode(), digest_size=8).digest(), "big"))
        return one

    assert distinct([sketch(range(KEPT))]) == KEPT
    assert distinct([sketch(range(100)), sketch(range(50, 150))]) == 150
    assert distinct([sketch(range(9_000)), sketch(range(8_000, 20_000))]) == pytest.approx(20_000, rel=0.15)
    assert len(sketch(range(50_000)).hashes) <= 2 * KEPT
    assert distinct([]) == 0


def test_every_reason_is_one_of_few() -> None:
    reasons = {funnel_lines.parse(line).reason for line, step in LINES if step and step.kind == "refused"}
    assert reasons <= set(REFUSALS)


def test_relapses_are_runs_of_failures_that_ended_with_a_sale() -> None:
    told = "ssssssffsssssfffssffffsssssfffsssss"
    assert relapses([(float(n), sign == "f") for n, sign in enumerate(told)], 40.0) == 2
    assert relapses([(float(n), sign == "f") for n, sign in enumerate(told)], 700.0) == 0


def test_who_fails_in_part_all_the_time_has_no_relapses() -> None:
    """Three in a row fail now and then by chance alone."""
    told = [(float(n), sign == "f") for n, sign in enumerate("sfsfffssffsfsfffssfsffssfssffs")]
    assert (relapses(told, 40.0), between(told, 40.0)) == (0, 0.417)
    in_bursts = [(float(n), sign == "f") for n, sign in enumerate("ssssfffffssssssfffffsssssfssffff")]
    assert relapses(in_bursts, 40.0) == 2 and (between(in_bursts, 40.0) or 0.0) < 0.1
    assert between(told[:8], 40.0) is None


def test_a_provider_s_newest_failures_say_why_though_its_breaker_is_open_by_now() -> None:
    assert newest([(0.0, "5xx"), (600.0, "no answer"), (700.0, "no answer")], 1000.0) == {"no answer": 2}


def test_pods_are_counted_by_what_was_decided_lately() -> None:
    [a, b] = by_pod([("b", [(5.0, True)]), ("a", [(1.0, True), (6.0, True), (7.0, False)])], 5.0)
    assert (a.name, a.decided, a.failed, b.failed) == ("a", 2, 1, 1)
    assert usual([1.0] * 4) is None and usual([1.0, 2.0, 9.0, 3.0, 2.5]) == 2.5
