"""The funnel held against the truth: NexNum's own logs, folded as they come, and what each customer was answered."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime

import pytest
from recorded_purchases import DAY, Customer, Told, customers, follow, head_json, head_pretty, oldest

from nexconsole.sources.pod_log import PodLog

STATUS = {"sold": 200, "failed": 503, "refused": 404}
Seen = Counter[tuple[str, str, int]]  # minute of asking, provider, status


def minute(at: float) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%H:%M}"


def answered(who: list[Customer]) -> Seen:
    return Counter((minute(one.at), one.provider, one.status) for one in who)


def folded(told: Told) -> Seen:
    return Counter(
        (minute(began), provider, STATUS[outcome]) for began, provider, outcome, _ in told.ends if outcome in STATUS
    )


@pytest.fixture(scope="module")
def newest() -> Told:
    told = Told()
    follow(head_json(), told, PodLog("app"))
    return told


@pytest.fixture(scope="module")
def first() -> tuple[Told, int]:
    """The oldest version's two runs, and how many purchases waited when the first process ended."""
    told, pod = Told(), PodLog("app")
    runs = oldest()
    follow(runs[0], told, pod)
    waited = len(told.open)
    told.restart(pod.purchases, runs[1][0][0])
    follow(runs[1], told, pod)
    return told, waited


def test_the_newest_version_s_log_holds_each_purchase_and_how_it_ended(newest: Told) -> None:
    assert Counter(outcome for _, _, outcome, _ in newest.ends) == {"sold": 904, "failed": 250, "refused": 67}
    assert len(newest.open) == 97  # those that waited for their provider's turn when the recording ended
    assert Counter(reason for *_, outcome, reason in newest.ends if outcome != "sold") == {
        "not active": 81,
        "breaker open": 79,
        "5xx": 70,
        "bad key": 12,
        "no answer": 8,
        "no offer": 67,
    }
    assert newest.dropped == 0


def test_each_customer_of_the_newest_version_was_answered_what_the_log_says_of_his_purchase(newest: Told) -> None:
    """One by one: a customer's purchase is the first one of his provider's that begins after he has asked."""
    begun = sorted(
        [(began, provider, STATUS[outcome]) for began, provider, outcome, _ in newest.ends]
        + [(one.began, one.provider, 0) for one in newest.open.values()]
    )
    unlike, taken = [], set()
    for one in customers("head"):
        place = next(
            n
            for n, (began, provider, _) in enumerate(begun)
            if n not in taken and provider == one.provider and began >= one.at
        )
        taken.add(place)
        assert begun[place][0] - one.at < 1.1
        if begun[place][2] != one.status:
            unlike.append((one, begun[place][2]))
    end = max(at for at, _ in head_json())
    assert {status for _, status in unlike} == {0}  # none is contradicted: these were not decided yet ...
    assert all(one.at + one.took_s > end for one, _ in unlike)  # ... and were answered after the log's end
    assert Counter(one.status for one, _ in unlike) == {200: 62, 503: 30}
    left = [begun[n] for n in range(len(begun)) if n not in taken]
    assert [(minute(began), status) for began, _, status in left] == [("03:25", 200)] + [("03:43", 0)] * 5


def test_minute_by_minute_and_provider_by_provider_the_newest_version_s_customers_are_all_there(newest: Told) -> None:
    asked, found = answered(list(customers("head"))), folded(newest)
    unlike = {key: (asked[key], found[key]) for key in asked.keys() | found.keys() if asked[key] != found[key]}
    assert unlike == {
        ("03:25", "smsbower", 200): (14, 15),  # one by hand, before the customers came
        ("03:29", "onlinesim", 200): (24, 23),  # this one asked at the end of a minute ...
        ("03:30", "onlinesim", 200): (23, 24),  # ... and its first line is of the next
        ("03:36", "5sim", 200): (30, 29),
        ("03:37", "5sim", 200): (21, 22),
        ("03:43", "smsbower", 200): (39, 8),  # 92 of 03:43 were answered after the log's end
        ("03:43", "5sim", 200): (40, 9),
        ("03:43", "onlinesim", 503): (40, 10),
    }
    assert sum(asked.values()) == 1312


def test_pretty_lines_say_of_each_purchase_what_its_customer_was_answered() -> None:
    """These customers' file is not recorded; the log's own lines of answers are."""
    told, lines = Told(), head_pretty()
    follow(lines, told, PodLog("app"))
    said = Counter(
        status for _, line in lines for status in (200, 503, 404) if f'{{"status":{status}}}' in line and "POST" in line
    )
    assert said == {200: 16, 503: 16}
    assert Counter(STATUS[outcome] for _, _, outcome, _ in told.ends) == said
    assert Counter((provider, reason) for _, provider, _, reason in told.ends) == {
        ("onlinesim", ""): 16,
        ("5sim", "breaker open"): 11,
        ("5sim", "no answer"): 5,
    }
    assert len(told.open) == 7
    assert {minute(began) for began, *_ in told.ends} == {"04:08", "04:09"}  # the kubelet's times, and its date
    assert min(began for began, *_ in told.ends) > DAY


def test_the_oldest_version_s_customers_are_all_there_though_its_purchases_have_no_id(first: tuple[Told, int]) -> None:
    told, waited = first
    came = customers("e0")
    asked, found = answered(list(came)), folded(told)
    recorded = {key: many for key, many in found.items() if key[0] >= "03:54"}  # earlier ones have no customers' file
    unlike = {
        key: (asked[key], recorded.get(key, 0))
        for key in asked.keys() | recorded.keys()
        if asked[key] != recorded.get(key, 0)
    }
    assert unlike == {("04:05", "smsbower", 200): (0, 1)}  # one by hand
    assert (len(came), sum(recorded.values()), sum(found.values())) == (401, 402, 450)
    assert (waited, len(told.open)) == (7, 0)
    assert Counter(outcome for _, _, outcome, _ in told.ends) == {"sold": 340, "failed": 110, "lost": 7}
    lost = [(provider, minute(began)) for began, provider, outcome, _ in told.ends if outcome == "lost"]
    assert Counter(lost) == {("smsbower", "04:05"): 2, ("smsbower", "04:06"): 5}  # the process ended with them


def test_a_log_that_is_read_twice_or_opened_anew_counts_nothing_twice(newest: Told) -> None:
    told, pod, lines = Told(), PodLog("app"), head_json()
    follow(lines[:9_000], told, pod)
    follow(lines[8_200:], told, pod)  # the API goes on at a whole second: some lines come again
    assert sorted(told.ends) == sorted(newest.ends)
    other = PodLog("app, followed once more")
    follow(lines, told, other)
    assert sorted(told.ends) == sorted(newest.ends)
    runs = oldest()
    again, pod = Told(), PodLog("app")
    follow(runs[0], again, pod)
    many = len(again.ends)
    follow(runs[0][-3_000:], again, pod)
    assert len(again.ends) == many


def test_minutes_and_users_come_to_the_same_as_the_purchases(newest: Told) -> None:
    assert sum(one.attempts for one in newest.minutes.values()) == 1318
    assert sum(one.sold for one in newest.minutes.values()) == 904
    hour = newest.minutes[int(DAY) // 60 + 3 * 60 + 32]
    assert (hour.attempts, hour.sold, hour.failed, hour.refused) == (72, 48, 0, 24)
    since = DAY + 3 * 3600 + 39 * 60
    window = newest.window(since + 600, 600)
    begun = [
        entry for at, line in head_json() if at >= since and "[PURCHASE_INIT]" in line for entry in [json.loads(line)]
    ]
    turned_away = [
        entry
        for at, line in head_json()
        if at >= since and "[PURCHASE_OFFER_NOT_FOUND]" in line
        for entry in [json.loads(line)]
    ]
    assert sum(window.ended.values()) + len(window.begun) == len(begun) == 527
    assert window.users == len({entry["userId"] for entry in begun}) == 299
    assert window.refused_users == len({entry["userId"] for entry in turned_away}) == 21
    assert (len(window.waiting), window.users_without_funds) == (97, 0)
