"""The market's past, played under a virtual clock."""

from __future__ import annotations

import functools
import itertools
import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from nexconsole.drill.market.market import Market
from nexconsole.drill.market.pods import NexNumPod
from nexconsole.drill.scenarios import IMAGE, SCENARIOS, DrillScenario

EPOCH = 1786164801.0


@functools.cache
def played(scenario: str, seed: int = 7, **options: Any) -> Market:
    """A market whose past has been played, to be looked at; shorter than the drill's where that is enough."""
    staged = SCENARIOS[scenario]
    return play(staged if staged.reconciler_stops_s else replace(staged, history_s=700.0), seed, **options)


def play(staged: DrillScenario, seed: int, **options: Any) -> Market:
    market = Market(staged, seed, EPOCH, **options)
    market.play(EPOCH)
    market.clock.close()
    return market


def recent(market: Market) -> list[dict[str, Any]]:
    return [row for row in market.past.rows("activations") if row["created_at"] > EPOCH - 300]


def pending(market: Market) -> list[dict[str, Any]]:
    return [row for row in market.past.rows("purchase_orders") if row["status"] == "PENDING"]


def failures(rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(row["provider_id"] for row in rows if row["state"] == "FAILED" and not row["captured_tx_id"])


def circuit_lines(pod: NexNumPod) -> list[str]:
    return [json.loads(text)["msg"] for _, text in pod.log.lines if "] Circuit " in text]


def test_the_same_seed_plays_the_same_past_and_another_seed_another() -> None:
    first, other = played("provider-outage"), played("provider-outage", seed=8)
    second = played.__wrapped__("provider-outage")  # another one of the same seed
    assert first.past.tables == second.past.tables
    assert first.past_keys.entries == second.past_keys.entries
    assert [list(pod.log.lines) for pod in first.pods.values()] == [list(pod.log.lines) for pod in second.pods.values()]
    assert list(first.samples) == list(second.samples)
    assert first.past.tables != other.past.tables


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_in_an_outage_most_failures_are_the_one_providers_and_its_circuits_are_open(seed: int) -> None:
    market = played("provider-outage", seed)
    rows = recent(market)
    failed = failures(rows)
    assert failed.total() / len(rows) > 0.15
    assert failed["smsbower"] / failed.total() > 0.8
    for pod in market.pods.values():
        assert "[DynamicProvider:smsbower] Circuit OPEN - Failing fast" in circuit_lines(pod)
        assert not any("smsbower" not in line for line in circuit_lines(pod))


@pytest.mark.parametrize("seed", [0, 1])
def test_on_a_calm_day_few_purchases_fail_no_circuit_opens_and_nothing_piles_up(seed: int) -> None:
    market = played("calm", seed)
    assert failures(recent(market)).total() / len(recent(market)) < 0.04
    assert not any(circuit_lines(pod) for pod in market.pods.values())
    assert len(pending(market)) < 15
    assert not any(row["status"] == "FAILED" for row in market.past.rows("outbox_events_v2"))


def test_a_stall_fails_purchases_of_every_provider_and_leaves_their_orders_pending() -> None:
    market = played("database-stall")
    failed = failures(recent(market))
    assert len(failed) == 5
    assert failed.total() / len(recent(market)) > 0.1
    assert len(pending(market)) > 50


def test_without_the_reconciler_abandoned_purchases_stay_and_with_it_they_are_freed() -> None:
    left = pending(played("reconciler-stopped"))
    assert sum(row["expires_at"] < EPOCH for row in left) > 50
    assert sum(row["expires_at"] >= EPOCH for row in left) <= 5  # once freed, it stays calm for a while
    well = play(replace(SCENARIOS["reconciler-stopped"], reconciler_stops_s=None, history_s=900.0), 7)
    assert not any(row["expires_at"] < EPOCH - 60 for row in pending(well))
    lines = [text for pod in well.pods.values() for _, text in pod.log.lines if "[Reconcile]" in text]
    assert any("(expired)" in line for line in lines)
    assert any("(stuck)" in line for line in lines)


@pytest.mark.parametrize("era", ["head", "old"])
def test_since_the_bad_release_some_events_fail_after_one_try_some_are_dropped_and_the_rest_waits(era: str) -> None:
    market = played("outbox-poison", era=era)
    release = market.scenario.release
    assert release is not None
    began = EPOCH + release.begins_s
    assert {pod.image for pod in market.pods.values()} == {release.image}
    assert min(pod.started_at.timestamp() for pod in market.pods.values()) >= began
    events = list(market.past.rows("outbox_events_v2"))
    failed = [row for row in events if row["status"] == "FAILED"]
    assert 3 <= len(failed) <= 6
    assert {row["retry_count"] for row in failed} == {1}
    assert {row["event_type"] for row in failed} == {"offer.restocked"}
    dropped = [row for row in events if row["status"] == "PUBLISHED" and row["error"]]
    assert dropped
    assert min(row["updated_at"] for row in failed + dropped) >= began
    before = [row for row in events if row["updated_at"] < began]
    assert {"offer.restocked", "activation.provider_request"} <= {row["event_type"] for row in before}
    waiting = [row for row in events if row["status"] == "PENDING"]
    assert len(waiting) > 300
    assert EPOCH - min(row["created_at"] for row in waiting) > 200
    lines = [text for pod in market.pods.values() for _, text in pod.log.lines if failed[0]["id"] in text]
    assert any("Unsupported event offer.restocked" in line for line in lines)


def test_events_that_nobody_can_process_have_come_since_before_the_drill_began() -> None:
    market = play(replace(SCENARIOS["poison-events"], history_s=90.0), 7)
    failed = [row for row in market.past.rows("outbox_events_v2") if row["status"] == "FAILED"]
    assert min(row["created_at"] for row in failed) < EPOCH - 60
    assert {row["error"] for row in failed} == {"Invalid payload: provider: Required"}


def test_the_outbox_is_read_by_the_release_that_the_pods_run_however_many_there_are() -> None:
    market = Market(SCENARIOS["outbox-poison"], 7, EPOCH)
    market.play(EPOCH)

    def statuses() -> Counter[str]:
        return Counter(row["status"] for row in market.past.rows("outbox_events_v2"))

    then = statuses()
    market.pods["another"] = market._pod("another", EPOCH, next(iter(market.pods.values())).image)
    market.play(EPOCH + 120)
    more = statuses()
    assert more["FAILED"] > then["FAILED"] and more["PENDING"] > then["PENDING"]
    for pod in market.pods.values():
        pod.image = IMAGE
    market.play(EPOCH + 180)
    after = statuses()
    assert after["PENDING"] < more["PENDING"] - 200
    assert after["FAILED"] == more["FAILED"]
    market.clock.close()


def test_a_flapping_circuit_opens_and_closes_again_on_every_pod_while_few_purchases_fail() -> None:
    market = played("flapping-circuit")
    for pod in market.pods.values():
        lines = circuit_lines(pod)
        assert sum("tiger-sms] Circuit OPEN" in line for line in lines) >= 3
        assert sum("tiger-sms] Circuit CLOSED" in line for line in lines) >= 3
    assert failures(recent(market)).total() / len(recent(market)) < 0.1


def test_leaked_locks_have_no_time_to_live_and_keep_their_customers_out() -> None:
    market = played("stale-locks")
    leaked = [key for key, entry in market.past_keys.entries.items() if key.startswith("lock:") and not entry.expires]
    assert len(leaked) > 20
    refused = sum(
        value
        for pod in market.pods.values()
        for (name, labels), value in pod.metrics.values.items()
        if name == "nexnum_http_requests_total" and ("status_code", "409") in labels
    )
    assert refused > 30
    taken = [int(market.past_keys.entries[key].value) / 1000 for key in leaked if key.startswith("lock:number:")]
    assert EPOCH - 60 < max(taken) <= EPOCH - 20  # what left them behind is over: once flushed, they stay away


def test_money_is_neither_made_nor_lost_by_purchases() -> None:
    market = played("provider-outage")
    spent = sum(row["amount"] for row in market.past.rows("purchase_orders") if row["status"] == "COMPLETED")
    booked = -sum(row["amount"] for row in market.past.rows("wallet_transactions") if row["type"] == "purchase")
    assert spent == booked
    assert all(0 <= row["reserved"] <= row["balance"] for row in market.past.rows("wallets"))


def test_the_oldest_installs_write_text_and_keep_their_failure_counters_under_a_leading_space() -> None:
    market = played("provider-outage", era="old")
    lines = [text for pod in market.pods.values() for _, text in pod.log.lines]
    assert "[DynamicProvider:smsbower] Circuit OPEN - Failing fast" in lines
    assert "  code: 'EOPENBREAKER'" in lines
    assert any(key.startswith(" health:") for key in market.past_keys.entries)
    assert not any(key.startswith("lock:purchase:") for key in market.past_keys.entries)


def test_a_new_pod_starts_its_counters_at_nothing_and_the_first_ones_have_run_for_hours() -> None:
    market = played("calm")
    text = next(iter(market.pods.values())).metrics.text()
    line = next(line for line in text.splitlines() if line.startswith("nexnum_provider_api_calls_total{"))
    assert float(line.rpartition(" ")[2]) > 100
    assert "# TYPE nexnum_purchase_duration_seconds histogram" in text


# --- what was seen on the running application (nexnum.md#slots) ---


def answers(market: Market, since: float = EPOCH - 300) -> Counter[int]:
    """What the customers were told, by HTTP status, as the purchase route's own lines say."""
    entries = (json.loads(text) for pod in market.pods.values() for _, text in pod.log.lines if text.startswith("{"))
    return Counter(
        entry["status"]
        for entry in entries
        if entry.get("context") == "API" and entry.get("status") and entry["time"] / 1000 > since
    )


def of_one_purchase(market: Market, mark: str) -> list[dict[str, Any]]:
    """The lines that share the request id of the newest purchase that wrote `mark`."""
    pod = next(pod for pod in market.pods.values() if any(mark in text for _, text in pod.log.lines))
    entries = [json.loads(text) for _, text in pod.log.lines if text.startswith("{")]
    request = [entry for entry in entries if mark in entry["msg"]][-1]["requestId"]
    return [entry for entry in entries if entry["requestId"] == request]


def marks(entries: list[dict[str, Any]]) -> list[str]:
    return [entry["msg"].split("]")[0].removeprefix("[PURCHASE_") for entry in entries if "[PURCHASE_" in entry["msg"]]


def test_a_sale_writes_the_newest_versions_funnel_under_one_correlation_id():
    entries = of_one_purchase(played("calm"), "[PURCHASE_COMPLETE]")
    assert len(entries) >= 15
    assert marks(entries) == [
        *("INIT", "OFFER_RESOLVED", "ELIGIBILITY_PASSED", "LOCK_ACQUIRED", "RESERVE_SUCCESS", "PROVIDER_CALL_START"),
        *("PROVIDER_CALL_SUCCESS", "COMPLETE"),
    ]
    steps = [entry for entry in entries if entry.get("context") == "PURCHASE"]
    assert len({entry["correlationId"] for entry in steps}) == len({entry["userId"] for entry in steps}) == 1
    assert [entry["status"] for entry in entries if entry.get("context") == "API" and "status" in entry] == [200]
    sold = next(entry for entry in steps if "CALL_SUCCESS" in entry["msg"])
    assert sold["activationId"].partition(":")[0] == sold["providerName"]


def test_a_sale_of_the_oldest_version_is_plain_text_over_some_27_lines():
    pod = next(iter(played("calm", era="old").pods.values()))
    texts = [text for _, text in pod.log.lines]
    begun, ended = texts.index("[PURCHASE] Attempting purchase: {"), len(texts)
    assert texts[begun + 1 : begun + 8] == [
        *("  input: {", texts[begun + 2], texts[begun + 3], "    operatorId: undefined,", texts[begun + 5]),
        *("  }", "}"),
    ]
    ended = next(at for at in range(begun, ended) if texts[at].startswith("[PURCHASE] Success! Number: "))
    own = [text for text in texts[begun : ended + 1] if "getPrices" not in text and "Headers" not in text]
    assert any(text.startswith("[PURCHASE] Reserved funds. Order: ") for text in own)
    assert any('"[Lifecycle] Scheduling polling"' in text for text in own)


def test_every_answer_is_in_the_log_and_in_the_routes_counter():
    market = played("provider-outage")
    told = answers(market, since=0)
    counted: Counter[int] = Counter()
    fresh = Market(market.scenario, 7, EPOCH)
    for end, one in ((1, market), (-1, fresh)):
        for pod in one.pods.values():
            for (name, labels), value in pod.metrics.values.items():
                if name == "nexnum_http_requests_total":
                    counted[int(dict(labels)["status_code"])] += end * int(value)
    fresh.clock.close()
    assert {status: count for status, count in counted.items() if count} == dict(told)


def test_slots_that_polling_took_let_every_purchase_wait_while_nothing_fails():
    market = played("slot-starvation")
    key = f"ratelimit:provider:{market.provider_ids['smsbower']}"
    ahead = int(market.past_keys.entries[key].value) / 1000 - EPOCH
    assert 5500 < ahead < 6500
    assert market.past_keys.entries[key].expires == pytest.approx(EPOCH + ahead + 10, abs=5)
    begun = [row for row in market.past.rows("activations") if row["created_at"] > EPOCH - 55]
    assert len(begun) > 20 and {(row["provider_id"], row["state"]) for row in begun} == {("smsbower", "RESERVED")}
    assert set(answers(market, since=EPOCH - 55)) <= {429}
    assert not any(circuit_lines(pod) for pod in market.pods.values())


def test_upstream_calls_of_one_provider_go_out_one_slot_apart_from_all_pods_together():
    market = play(replace(SCENARIOS["calm"], history_s=300.0, slot_s=2.0, purchases_per_s=3.0), 7)
    calls = sorted(
        entry["time"]
        for pod in market.pods.values()
        for entry in (json.loads(text) for _, text in pod.log.lines)
        if "action=getNumber&" in entry["msg"]
        and entry.get("type") == "upstream_request"
        and "smsbower" in entry["msg"]
    )
    gaps = [later - earlier for earlier, later in itertools.pairwise(calls)]
    assert len(gaps) > 50 and min(gaps) >= 1999
    assert sum(gap <= 2001 for gap in gaps) > len(gaps) / 2


def test_the_oldest_version_knows_no_slots():
    assert not any(key.startswith("ratelimit:") for key in played("calm", era="old").past_keys.entries)


def test_a_best_route_sale_is_booked_at_the_cheapest_and_names_the_seller_where_nobody_looks():
    staged = replace(SCENARIOS["provider-outage"], history_s=600.0, best_route=1.0)
    market = play(staged, 7)
    orders = {row["idempotency_key"]: row for row in market.past.rows("purchase_orders")}
    numbers = {row["id"]: row for row in market.past.rows("numbers")}
    sold = [row for row in recent(market) if row["state"] == "ACTIVE"]
    assert {row["provider_id"] for row in sold} == {"smsbower"}  # who was asked, and sold nothing for minutes
    late = [row for row in sold if row["created_at"] > EPOCH - 120]
    assert len(late) > 20
    for row in late:
        order, number = orders[row["idempotency_key"].removeprefix("activation_")], numbers[row["number_id"]]
        assert order["provider"] == number["provider"] != "SMSBower"
        assert row["provider_activation_id"] == number["activation_id"]
        assert not number["activation_id"].startswith("smsbower:")
    assert {numbers[row["number_id"]]["provider"] for row in late} >= {"Tiger SMS"}
    labels = {
        dict(labels)["provider"]
        for pod in market.pods.values()
        for (name, labels), _ in pod.metrics.values.items()
        if name == "nexnum_provider_api_calls_total"
    }
    assert "Tiger SMS" in labels


def test_a_provider_disabled_by_sql_leaves_best_route_without_anybody_and_no_row():
    market = played("best-route-blackout")
    told = answers(market, since=EPOCH - 290)
    assert told[404] > 0.8 * told.total()
    entries = of_one_purchase(market, "[PURCHASE_NO_ROUTE]")
    assert marks(entries) == ["INIT", "NO_ROUTE"]
    assert entries[1]["body"]["useBestRoute"] is True
    began = [row for row in market.past.rows("activations") if row["created_at"] > EPOCH - 290]
    assert len(began) < 0.2 * told.total()
    bought = [row for row in began if row["state"] == "ACTIVE"]
    assert bought and all(row["provider_id"] != "smsbower" for row in bought)


def test_who_asks_for_a_provider_that_is_disabled_by_sql_is_refused_and_who_uses_numbers_fails_at_once():
    market = play(replace(SCENARIOS["best-route-blackout"], history_s=900.0, best_route=0.0), 7)
    entries = of_one_purchase(market, "[PURCHASE_OFFER_NOT_FOUND]")
    assert marks(entries) == ["INIT", "OFFER_NOT_FOUND"]
    assert any(entry["msg"] == "Offer belongs to an inactive provider, ignoring" for entry in entries)
    failed = failures([row for row in recent(market) if row["created_at"] > EPOCH - 240])
    assert failed["smsbower"] >= 1  # numeric ids: the cached list of providers, and 503


def test_at_the_oldest_version_a_disabled_providers_offers_stay_on_sale_and_fail():
    staged = replace(SCENARIOS["best-route-blackout"], history_s=900.0)
    market = play(staged, 7, era="old")
    late = [row for row in recent(market) if row["created_at"] > EPOCH - 230 and row["provider_id"] == "smsbower"]
    assert len(late) > 20 and {row["state"] for row in late} <= {"FAILED", "RESERVED"}
    lines = [text for pod in market.pods.values() for _, text in pod.log.lines]
    assert "[PURCHASE] Provider failed. Rolling back... Provider 'smsbower' is not active or healthy" in lines


def test_a_customer_without_money_is_refused_and_leaves_no_row():
    market = played("calm")
    entries = of_one_purchase(market, "[PURCHASE_ELIGIBILITY_DENIED]")
    assert marks(entries) == ["INIT", "OFFER_RESOLVED", "ELIGIBILITY_DENIED"]
    denied = next(entry for entry in entries if "DENIED" in entry["msg"])
    assert denied["code"] == "E_INSUFFICIENT_FUNDS"
    before, after = denied["time"] / 1000 - 0.01, denied["time"] / 1000 + 0.01
    assert not [
        row
        for row in market.past.rows("activations")
        if row["user_id"] == denied["userId"] and before < row["created_at"] < after
    ]


def test_an_account_that_has_run_out_sells_nothing_and_trips_no_circuit():
    market = played("balance-empty")
    late = [row for row in recent(market) if row["created_at"] > EPOCH - 200 and row["provider_id"] == "smsbower"]
    assert len(late) > 30 and not any(row["captured_tx_id"] for row in late)
    [row] = [row for row in market.past.rows("providers") if row["name"] == "smsbower"]
    assert row["balance"] < row["low_balance_alert"] and row["last_balance_sync"] > EPOCH - 60
    assert all(other["balance"] > 40 for other in market.past.rows("providers") if other is not row)
    assert not any(circuit_lines(pod) for pod in market.pods.values())
    assert any('Raw: \\"NO_BALANCE\\"' in text for pod in market.pods.values() for _, text in pod.log.lines)


def test_balances_fall_with_what_is_sold_and_somebody_tops_them_up_in_time():
    market = played("calm")
    for row in market.past.rows("providers"):
        assert row["balance"] > 40
    assert len({row["balance"] for row in market.past.rows("providers")}) == 5


def test_without_the_search_index_nobody_buys_and_one_event_after_the_other_fails():
    market = played("search-down")
    told = answers(market, since=EPOCH - 58)
    assert set(told) == {404} and told[404] > 50
    failed = [row for row in market.past.rows("outbox_events_v2") if row["status"] == "FAILED"]
    assert 1 <= len(failed) <= 4 and all(row["event_type"].startswith("offer.") for row in failed)
    assert any(row["status"] == "PENDING" for row in market.past.rows("outbox_events_v2"))


def test_one_pod_that_reaches_nobody_fails_a_third_of_everything_and_opens_only_its_own_circuits():
    market = played("one-bad-pod")
    bad = market.cut_off_pod
    assert bad is not None
    failed = failures([row for row in recent(market) if row["created_at"] > EPOCH - 200])
    assert len(failed) == 5
    assert 0.2 < failed.total() / len([r for r in recent(market) if r["created_at"] > EPOCH - 200]) < 0.45
    for pod in market.pods.values():
        assert bool(circuit_lines(pod)) is (pod is bad)


def test_since_a_bad_release_most_purchases_fail_at_every_provider_and_before_it_hardly_any_did():
    market = played("bad-release")
    began = EPOCH - 300
    after = [row for row in market.past.rows("activations") if row["created_at"] > began + 40]
    before = [row for row in market.past.rows("activations") if row["created_at"] < began]
    assert failures(after).total() / len(after) > 0.4 and len(failures(after)) == 5
    assert failures(before).total() / len(before) < 0.05


def test_every_wallet_is_the_sum_of_what_moved_in_it():
    market = played("provider-outage")
    moved: Counter[str] = Counter()
    for row in market.past.rows("wallet_transactions"):
        if row["type"] not in ("reservation", "rollback"):
            moved[row["wallet_id"]] += row["amount"]
    assert all(moved[row["id"]] == row["balance"] for row in market.past.rows("wallets"))
