"""Whose purchase it is, and who fails: one provider, some or all? (nexnum.md#one-or-all, #best-route)"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from nexconsole.settings import TransactionRules
from nexconsole.signals.attribution import ProviderTraffic, judge, seller, seller_columns
from nexconsole.signals.provider_names import ProviderNames

RULES = TransactionRules()


def traffic(**counts: tuple[int, int]) -> list[ProviderTraffic]:
    return [
        ProviderTraffic(name=name, attempts=a, failures=f, failure_rate=f / a if a else None)
        for name, (a, f) in counts.items()
    ]


@pytest.mark.parametrize(
    ("counts", "verdict", "because"),
    [
        (
            {"smsbower": (120, 66), "b": (80, 2), "c": (80, 1), "d": (60, 1), "e": (60, 1)},
            "one",
            "66 of 71 failures at smsbower (55 % of its 120); the other four fail 1.8 % of 280",
        ),
        ({"a": (100, 1), "b": (100, 0)}, "none", "1 of 200 fail (0.5 %); no provider stands out"),
        ({"a": (50, 45), "b": (50, 30)}, "all", "60 % to 90 % fail at both providers with enough purchases"),
        (
            {"a": (100, 60), "b": (100, 40), "c": (100, 0)},
            "some",
            "two of three providers fail (a 60 %, b 40 %); the other one, c, fails 0 % of 100",
        ),
        (
            {"a": (100, 25), "b": (200, 20), "c": (200, 20)},
            "some",
            "a fails 25 % of its 100, but has only 25 of 65 failures; the other two fail 10 % of 400",
        ),
        ({"a": (12, 12)}, "unknown", "12 decided purchases in 5 min are too few to say: 20 are needed"),
        (
            {"tiger-sms": (40, 21), "a": (140, 2), "b": (150, 2), "c": (140, 2)},
            "one",
            "21 of 27 failures at tiger-sms (52.5 % of its 40); the other three fail 1.4 % of 430",
        ),
        ({"a": (100, 50), "b": (200, 10)}, "one", "50 of 60 failures at a (50 % of its 100)"),
        ({"a": (60, 15), "b": (200, 10)}, "some", "a fails 25 % of its 60, but has only 15 of 25 failures"),
        ({"a": (60, 15), "b": (200, 9)}, "one", "15 of 24 failures at a (25 % of its 60)"),
        ({"a": (19, 19)}, "unknown", "19 decided purchases in 5 min are too few to say"),
        ({"a": (20, 20)}, "unknown", "a fails 100 % of its 20; there is no other to compare with"),
        ({"a": (30, 20), "b": (0, 0)}, "unknown", "a fails 66.7 % of its 30; the others have no decided purchases"),
        ({"a": (50, 30), "b": (50, 30), "c": (50, 30)}, "all", "fail at all three providers with enough purchases"),
        (
            {"a": (50, 30), "b": (50, 29), "c": (50, 28), "d": (50, 27), "e": (50, 0)},
            "some",
            "four of five providers fail (a 60 %, b 58 %, c 56 % and one more); the other one, e, fails 0 % of 50",
        ),
        ({"a": (50, 30), "b": (50, 29), "c": (50, 28), "e": (50, 0)}, "some", "(a 60 %, b 58 %, c 56 %); the other"),
        ({"a": (100, 40), "b": (100, 10)}, "one", "40 of 50 failures at a"),  # exactly the share
        ({"a": (100, 39), "b": (100, 10)}, "some", "a fails 39 % of its 100, but has only 39 of 49 failures"),
        ({"a": (100, 10), "b": (100, 0)}, "one", "10 of 10 failures at a"),  # exactly the high rate
        ({"a": (100, 9), "b": (100, 0)}, "none", "9 of 200 fail (4.5 %); no provider stands out"),
        ({}, "unknown", "no purchase was decided in 5 min"),
        ({"a": (120, 66)}, "unknown", "a fails 55 % of its 120; there is no other to compare with"),
        ({"a": (100, 15), "b": (100, 16)}, "all", "15 % to 16 % fail at both providers with enough purchases"),
        ({str(n): (4, 4) for n in range(20)}, "unknown", "80 of 80 fail (100 %), too few at each provider"),
        ({"a": (1000, 0), "b": (5, 2)}, "none", "2 of 1 005 fail (0.2 %)"),
    ],
)
def test_the_verdict_and_the_numbers_that_it_rests_on(counts, verdict, because):
    scope = judge(traffic(**counts), RULES, 0.05)
    assert scope.verdict == verdict
    assert because in scope.because
    assert (scope.provider is not None) == (verdict == "one")


COUNTS = st.integers(0, 400).flatmap(lambda attempts: st.tuples(st.just(attempts), st.integers(0, attempts)))


@hypothesis_settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcdefgh"), COUNTS))
def test_a_verdict_never_contradicts_the_counts(counts):
    providers = traffic(**counts)
    scope = judge(providers, RULES, 0.05)
    attempts, failures = sum(a for a, _ in counts.values()), sum(f for _, f in counts.values())
    assert scope == judge(list(reversed(providers)), RULES, 0.05)  # the order says nothing
    assert scope.because
    if attempts < RULES.few:
        assert scope.verdict == "unknown"
    if scope.verdict == "none":
        assert failures / attempts < 0.05
    if scope.verdict == "one":
        a, f = counts[scope.provider]
        assert f / a >= 0.05
        assert f >= RULES.one_share * failures or failures - f < 0.05 * (attempts - a)  # the others are in line
        assert any(name != scope.provider and other[0] >= RULES.provider_few for name, other in counts.items())
    if scope.verdict == "all":
        assert all(f / a >= 0.05 for a, f in counts.values() if a >= RULES.provider_few)


@hypothesis_settings(deadline=None)
@given(st.dictionaries(st.sampled_from("abcdefgh"), COUNTS, min_size=2))
def test_one_more_provider_that_never_fails_never_turns_the_verdict_to_all(counts):
    before = judge(traffic(**counts), RULES, 0.05)
    after = judge(traffic(**counts, z=(100, 0)), RULES, 0.05)
    assert after.verdict != "all"
    if before.verdict == "one" and after.verdict == "one":
        assert after.provider == before.provider


def test_where_several_fail_chance_alone_spares_nobody():
    counts = {"smsbower": (183, 50), "tiger-sms": (98, 29), "5sim": (99, 26), "onlinesim": (46, 9)}
    providers = [
        ProviderTraffic(name=name, attempts=attempts, failures=failures, failure_rate=failures / attempts)
        for name, (attempts, failures) in counts.items()
    ]
    assert judge(providers, TransactionRules(), 0.05).verdict == "all"


def test_where_several_fail_one_that_hardly_does_is_spared():
    counts = {"smsbower": (183, 90), "tiger-sms": (98, 49), "5sim": (99, 5)}
    providers = [
        ProviderTraffic(name=name, attempts=attempts, failures=failures, failure_rate=failures / attempts)
        for name, (attempts, failures) in counts.items()
    ]
    assert judge(providers, TransactionRules(), 0.05).verdict == "some"


@pytest.mark.parametrize(
    ("counts", "verdict", "because"),
    [
        # the number of purchases from which on anything is said
        ({"a": (10, 0), "b": (9, 0)}, "unknown", "19 decided purchases in 5 min are too few to say: 20 are needed"),
        ({"a": (10, 0), "b": (10, 0)}, "none", "0 of 20 fail (0 %); no provider stands out"),
        # a provider's own rate
        (
            {"a": (100, 20), "b": (400, 0)},
            "one",
            "20 of 20 failures at a (20 % of its 100); the other one, b, fails 0 % of 400",
        ),
        ({"a": (100, 19), "b": (400, 0)}, "none", "19 of 500 fail (3.8 %); no provider stands out"),
        # two failures may be chance, three are not
        ({"a": (5, 2), "b": (100, 0)}, "none", "2 of 105 fail (1.9 %); no provider stands out"),
        (
            {"a": (5, 3), "b": (100, 0)},
            "one",
            "3 of 3 failures at a (60 % of its 5); the other one, b, fails 0 % of 100",
        ),
        # a provider with few purchases is not judged
        ({"a": (4, 4), "b": (100, 0)}, "none", "4 of 104 fail (3.8 %); no provider stands out"),
        (
            {"a": (5, 5), "b": (100, 0)},
            "one",
            "5 of 5 failures at a (100 % of its 5); the other one, b, fails 0 % of 100",
        ),
        # a whole that is bad lowers the bar
        ({"a": (100, 5), "b": (100, 5)}, "all", "5 % fail at both providers with enough purchases"),
        ({"a": (100, 5), "b": (100, 4)}, "none", "9 of 200 fail (4.5 %); no provider stands out"),
        (
            {str(n): (4, 1 if n < 8 else 0) for n in range(40)},
            "unknown",
            "8 of 160 fail (5 %), too few at each provider",
        ),
        # one share of all failures makes it one, although the others are bad too
        (
            {"a": (100, 40), "b": (100, 10)},
            "one",
            "40 of 50 failures at a (40 % of its 100); the other one, b, fails 10 % of 100",
        ),
        (
            {"a": (100, 39), "b": (100, 10)},
            "some",
            "a fails 39 % of its 100, but has only 39 of 49 failures; the other one, b, fails 10 % of 100",
        ),
        # nothing to compare with
        (
            {"a": (30, 20), "b": (0, 0)},
            "unknown",
            "a fails 66.7 % of its 30; the others have no decided purchases, too few to compare",
        ),
        (
            {"a": (30, 20), "b": (4, 1)},
            "unknown",
            "a fails 66.7 % of its 30; the other one, b, fails 25 % of 4, too few to compare",
        ),
        # several: the worst three by name, equals by their names
        (
            {"a": (100, 40), "b": (100, 50), "c": (100, 0)},
            "some",
            "two of three providers fail (b 50 %, a 40 %); the other one, c, fails 0 % of 100",
        ),
        (
            {"b": (50, 40), "a": (50, 40), "c": (50, 40), "z": (100, 0), "y": (100, 0)},
            "some",
            "three of five providers fail (a 80 %, b 80 %, c 80 %); the other two fail 0 % of 200",
        ),
        (
            {"b": (50, 40), "a": (50, 40), "c": (50, 40), "d": (50, 30), "z": (100, 0)},
            "some",
            "four of five providers fail (a 80 %, b 80 %, c 80 % and one more); the other one, z, fails 0 % of 100",
        ),
        (
            {"b": (50, 30), "a": (50, 25), "c": (50, 40)},
            "all",
            "50 % to 80 % fail at all three providers with enough purchases",
        ),
        # up to ten the number is a word
        ({str(n): (50, 25) for n in range(10)}, "all", "50 % fail at all ten providers with enough purchases"),
        ({str(n): (50, 25) for n in range(11)}, "all", "50 % fail at all 11 providers with enough purchases"),
    ],
)
def test_each_limit_is_judged_on_both_sides_and_said_in_one_sentence(counts, verdict, because):
    scope = judge(traffic(**counts), RULES, 0.05)
    assert (scope.verdict, scope.because) == (verdict, because)


def test_where_several_fail_half_the_rate_of_the_whole_is_the_bar():
    # 110 of 300 fail, 36.7 %: who fails 18.3 % or more is one of those who fail
    at = judge(traffic(a=(100, 45), b=(100, 46), c=(100, 19)), RULES, 0.05)
    assert (at.verdict, at.because) == ("all", "19 % to 46 % fail at all three providers with enough purchases")
    below = judge(traffic(a=(100, 46), b=(100, 46), c=(100, 18)), RULES, 0.05)
    assert below.verdict == "some"


def test_what_is_under_way_is_not_judged():
    hanging = ProviderTraffic(name="a", attempts=100, failures=3, failure_rate=0.75, in_flight=96)
    assert hanging.decided == 4
    scope = judge([hanging, *traffic(b=(100, 0))], RULES, 0.05)
    assert (scope.verdict, scope.because) == ("none", "3 of 104 fail (2.9 %); no provider stands out")


WHOLE = {
    "numbers": ("id", "activation_id", "created_at", "provider"),
    "activations": ("id", "state", "number_id"),
}


def test_the_seller_is_read_from_the_number_where_there_are_numbers():
    columns = seller_columns(WHOLE)
    assert columns.notes == ()
    assert columns.number == "number_id"
    assert columns.sql == (
        "CASE WHEN n.activation_id LIKE '%:%' THEN split_part(n.activation_id, ':', 1) END AS seller,"
        " n.provider AS shop"
    )
    assert columns.join == (
        "LEFT JOIN LATERAL (SELECT activation_id, created_at, provider FROM numbers WHERE id = a.number_id OFFSET 0) n"
        " ON true"
    )
    assert columns.sold_at == "coalesce(n.created_at, a.updated_at)"


def test_numbers_that_name_no_shop_still_say_who_sold():
    columns = seller_columns(WHOLE | {"numbers": ("id", "activation_id", "created_at")})
    assert columns.notes == ()
    assert columns.sql.endswith("AS seller, NULL::text AS shop")
    assert "(SELECT activation_id, created_at FROM numbers" in columns.join


@pytest.mark.parametrize(
    ("tables", "lacks"),
    [
        ({}, "numbers has no id, activation_id, created_at"),
        (WHOLE | {"numbers": ("id", "created_at")}, "numbers has no activation_id"),
        (WHOLE | {"numbers": ("activation_id", "created_at")}, "numbers has no id"),
        (WHOLE | {"numbers": ("id", "activation_id")}, "numbers has no created_at"),
        (WHOLE | {"activations": ("id", "state")}, "activations has no number_id"),
    ],
)
def test_without_numbers_a_sale_is_counted_where_it_was_asked_for_and_a_note_says_why(tables, lacks):
    columns = seller_columns(tables)
    assert columns.notes == (f"sales are counted where they were asked for, which may not be who sold: {lacks}",)
    assert columns.sql == "NULL::text AS seller, NULL::text AS shop"
    assert (columns.number, columns.join, columns.sold_at) == ("NULL::text AS number_id", "", "a.updated_at")


@pytest.mark.parametrize(
    ("prefix", "shop", "asked", "key"),
    [
        ("5sim", "SMSBower", "smsbower", "5sim"),
        (None, "The Bower", "5sim", "smsbower"),  # a display name
        ("", "", "5sim", "5sim"),
        ("nobody", "neither", "5sim", "5sim"),  # a prefix that is no provider's
        ("nobody", None, None, "(none)"),
    ],
)
def test_a_sale_belongs_to_the_numbers_prefix_then_to_its_shop_then_to_who_was_asked(prefix, shop, asked, key):
    names = ProviderNames([("1", "SMSBower", "The Bower"), ("2", "5sim", "")])
    assert seller(prefix, shop, asked, names) == key


def test_where_no_provider_is_known_the_prefix_is_believed():
    assert seller("Nobody", "shop", "5sim", ProviderNames()) == "nobody"


def test_a_provider_of_whose_waiting_purchases_nobody_speaks_has_none():
    [one] = traffic(a=(7, 1))
    assert (one.decided, one.in_flight, one.overdue, one.id) == (7, 0, 0, "")


@pytest.mark.parametrize(
    ("many", "word"), [(4, "four"), (5, "five"), (6, "six"), (7, "seven"), (8, "eight"), (9, "nine"), (10, "ten")]
)
def test_up_to_ten_providers_are_counted_in_words(many, word):
    counts = {chr(ord("a") + n): (50, 25) for n in range(many)}
    assert judge(traffic(**counts), RULES, 0.05).because == (f"50 % fail at all {word} providers with enough purchases")


def test_a_provider_with_few_purchases_fails_with_the_others_where_chance_may_have_spared_it() -> None:
    busy = {"a": (100, 46), "b": (100, 57), "c": (90, 46), "d": (80, 44)}
    for odd, verdict in (((22, 5), "all"), ((22, 0), "some"), ((300, 45), "some")):
        assert judge(traffic(**busy, odd=odd), RULES, 0.1).verdict == verdict
