"""The market's past, played under a virtual clock."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from nexconsole.drill.market.market import Market
from nexconsole.drill.market.pods import Pod
from nexconsole.drill.scenarios import IMAGE, SCENARIOS, Scenario

EPOCH = 1786164801.0


def played(scenario: str, seed: int = 7, **options: Any) -> Market:
    """A market whose past has been played; shorter than the drill's where that is enough."""
    staged = SCENARIOS[scenario]
    return play(staged if staged.reconciler_stops_s else replace(staged, history_s=900.0), seed, **options)


def play(staged: Scenario, seed: int, **options: Any) -> Market:
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


def circuit_lines(pod: Pod) -> list[str]:
    return [json.loads(text)["msg"] for _, text in pod.log.lines if "] Circuit " in text]


def test_the_same_seed_plays_the_same_past_and_another_seed_another() -> None:
    first, second, other = played("provider-outage"), played("provider-outage"), played("provider-outage", seed=8)
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
