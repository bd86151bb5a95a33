"""The numbers that a review wants: from readings, and folded from the journal again."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import timedelta

import sample_readings as sample
from incident_story import MARIA, PIET, START

from nexconsole.incident.incident import fold
from nexconsole.incident.metrics import metric_specs, ranges, said, sample_of, samples_in, title
from nexconsole.journal import EntryKind
from nexconsole.journal.entries import make

SERIAL = itertools.count(1)


def taken(seconds: float, writer=MARIA, **numbers):
    at = START + timedelta(seconds=seconds)
    data = {"figures": numbers}
    return make(at=at, writer=writer, seq=next(SERIAL), prev="", after="", kind=EntryKind.FIGURES, data=data)


def test_every_figure_of_an_incident_is_taken_from_its_readings():
    found = sample_of(sample.incident(), sample.NOW)
    readings = {name: reading.value for name, reading in sample.incident().items()}
    assert set(found) == set(metric_specs())
    assert found["failure_rate"] == round(readings["transactions"].failure_rate, 4)
    assert found["attempts"] == readings["transactions"].attempts
    assert found["worst_provider_rate"] == round(55 / 100, 4)
    assert found["circuits_open"] == sum(p.state == "open" for p in readings["circuits"].providers if p.active)
    assert found["outbox_pending"] == readings["outbox"].pending
    assert found["reservations_stuck"] == readings["reservations"].stuck
    assert found["sessions_blocked"] == readings["database"].blocked
    assert (found["pods_ready"], found["pods_desired"]) == (readings["workloads"].ready, readings["workloads"].desired)


def test_what_is_stale_absent_or_was_never_read_is_not_known_and_no_zero():
    assert set(sample_of({}, sample.NOW).values()) == {None}
    assert set(sample_of(sample.unconfigured(), sample.NOW).values()) == {None}
    later = sample.NOW + timedelta(minutes=5)
    assert set(sample_of(sample.incident(), later).values()) == {None}
    silent = {"outbox": replace(sample.incident()["outbox"], error="connection refused")}
    assert sample_of(silent, sample.NOW)["outbox_pending"] is None


def test_circuits_of_which_nothing_is_known_are_not_counted_as_none_open():
    reading = sample.incident()["circuits"]
    unknown = tuple(replace(one, state="unknown") for one in reading.value.providers)
    blind = replace(reading, value=replace(reading.value, providers=unknown))
    assert sample_of({"circuits": blind}, sample.NOW)["circuits_open"] is None


def test_locks_of_which_only_a_part_was_looked_at_are_not_counted_as_none_abandoned():
    def abandoned(number, whole):
        return sample_of({"locks": sample.reading("locks", sample.locks(number, whole))}, sample.NOW)["locks_abandoned"]

    assert (abandoned(0, False), abandoned(0, True), abandoned(3, False)) == (None, 0, 3)


def test_a_latency_that_only_stands_because_prometheus_is_gone_is_not_taken():
    reading = sample.incident()["transactions"]
    old = replace(reading, value=replace(reading.value, latency_at=sample.NOW - timedelta(minutes=2)))
    assert sample_of({"transactions": reading}, sample.NOW)["latency_p95_s"] is not None
    assert sample_of({"transactions": old}, sample.NOW)["latency_p95_s"] is None


def test_of_several_consoles_that_write_at_once_the_first_counts():
    entries = [taken(0, failure_rate=0.1), taken(2, PIET, failure_rate=0.2), taken(31, PIET, failure_rate=0.3)]
    for _ in range(5):
        random.shuffle(entries)
        found = fold(entries).figures
        assert [one.numbers["failure_rate"] for one in found] == [0.1, 0.3]


def test_what_is_no_number_is_left_out_and_an_entry_without_any_is_none():
    entries = [
        taken(0, failure_rate=None, attempts="many", outbox_failed=True, pods_ready=[1]),
        taken(3, attempts=7, more_than_can_be=10**300, new_figure=2),
    ]
    (one,) = samples_in(entries)
    assert one.numbers == {"attempts": 7, "new_figure": 2}
    assert samples_in([make(at=START, writer=MARIA, seq=1, prev="", after="", kind=EntryKind.FIGURES, data={})]) == ()


def test_an_extent_is_the_first_the_worst_and_the_last_and_fewer_pods_are_worse():
    entries = [
        taken(0, failure_rate=0.03, pods_ready=3),
        taken(60, failure_rate=0.31, pods_ready=1),
        taken(120, failure_rate=0.31),
        taken(180, failure_rate=0.04, pods_ready=3),
    ]
    rate, pods = ranges(samples_in(entries))
    assert (rate.start, rate.worst, rate.end) == (0.03, 0.31, 0.04)
    assert rate.worst_at == START + timedelta(seconds=60)
    assert (pods.name, pods.start, pods.worst, pods.end) == ("pods_ready", 3, 1, 3)


def test_figures_are_said_with_their_units():
    assert said("failure_rate", 0.31) == "31 %"
    assert said("outbox_oldest_pending_s", 1500) == "25 min"
    assert said("attempts", 12345) == "12 345"
    assert said("failure_rate", None) == "-"
    assert (title("made_up"), said("made_up", 2.5)) == ("made up", "2.5")
