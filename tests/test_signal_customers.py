"""Whom it hurts: customers, money, holds, and what is out of line. (nexnum.md#purchase-rows, #refused, #wallets)"""

from __future__ import annotations

import pytest
import sample_readings as sample

from nexconsole.errors import MissingSchema, NotConfigured, Unreachable
from nexconsole.model import Reading
from nexconsole.settings import Settings
from nexconsole.signals import customers_rows
from nexconsole.signals.customers import Customers, OutOfLine
from nexconsole.signals.customers_signal import SIGNAL
from nexconsole.signals.out_of_line import Part, out_of_line
from nexconsole.signals.probe import ProbeAnswer, answer
from nexconsole.sources import Sources
from nexconsole.sources.lazy_clients import LazyClients

SETTINGS = Settings()
PROBES = {probe.name: probe for probe in SIGNAL.probes}


def asked(name: str, value: Customers, argument: str = "") -> ProbeAnswer:
    reading = Reading(signal="customers", every=5, value=value, taken_at=sample.NOW, attempted_at=sample.NOW)
    return answer(PROBES[name], {"customers": reading}, SETTINGS, sample.NOW, argument)


@pytest.mark.parametrize("options", [{}, {"timestamptz": True}, {"era": "old"}])
async def test_customers_are_distinct_and_money_is_what_fails(database, sources_on, options):
    await database.create(**options)
    for number, (user, state, paid, age) in enumerate(
        [
            ("ann", "FAILED", False, 60),
            ("ann", "FAILED", False, 90),
            ("bob", "REFUNDED", False, 100),
            ("cy", "ACTIVE", True, 50),
            ("old", "FAILED", False, 400),
            ("new", "RESERVED", False, 3),
            ("dee", "RESERVED", False, 45),
            ("dee", "RESERVED", False, 46),
        ]
    ):
        await database.activation(f"a{number}", age, state, paid=paid, user=user, price="1.25", country="Chad")
    value = await customers_rows.read(sources_on(database.url), SETTINGS, None)
    assert (value.failing, value.waiting, value.refused, value.decided) == (2, 1, None, 4)
    assert value.failing_per_min == pytest.approx(3 / 5) and value.money_per_min == pytest.approx(3.75 / 5)
    assert (value.holds, value.held, value.out_of_line) == (0, 0.0, ())
    assert value.notes == ("who is refused is not known: neither kubernetes nor docker is configured",)


async def test_holds_are_those_of_overdue_purchases_and_of_those_that_ended_and_are_not_released(database, sources_on):
    await database.activation("overdue", 700, "RESERVED", user="ann", price="0.40")
    await database.activation("failed", 120, "FAILED", user="bob", price="0.35")
    await database.activation("just failed", 2, "FAILED", user="cy", price="0.35")
    await database.activation("released", 120, "FAILED", user="dee", price="0.35")
    await database.activation("failed and goes on", 120, "FAILED", user="eve", price="0.35")
    await database.activation("goes on", 60, "RESERVED", user="eve", price="0.50")
    for user, reserved in (("ann", "0.40"), ("bob", "0.35"), ("cy", "0.35"), ("dee", "0"), ("eve", "0.50")):
        await database.wallet(user, reserved=reserved)
    value = await customers_rows.read(sources_on(database.url), SETTINGS, None)
    assert (value.holds, value.held) == (2, 0.75)
    assert asked("customers.holds", value).text == "2 holds open for purchases that ended or are overdue, 0.75 USD"


async def test_a_country_that_fails_at_all_providers_is_out_of_line(database, sources_on):
    for number in range(40):
        provider = ("5sim", "smsbower")[number % 2]
        angola = number % 4 < 1 or number % 8 == 5
        state = ("FAILED", False) if angola else ("ACTIVE", True)
        country = "Angola" if angola else "Chad"
        await database.activation(f"a{number}", 60, state[0], provider, state[1], user=f"u{number}", country=country)
    value = await customers_rows.read(sources_on(database.url), SETTINGS, None)
    assert value.out_of_line == (OutOfLine(kind="country", name="Angola", failed=15, decided=15, share=1.0),)


async def test_what_is_missing_is_not_known_and_said(database, sources_on):
    await database.activation("failed", 60, "FAILED")
    await database.execute(
        "ALTER TABLE activations DROP COLUMN country_name, DROP COLUMN country_code; DROP TABLE wallets CASCADE"
    )
    value = await customers_rows.read(sources_on(database.url), SETTINGS, None)
    assert (value.failing, value.holds, value.held) == (1, None, None)
    assert value.notes[0] == "countries are not known: activations have no column for them"
    assert value.notes[1] == "holds are not known: wallets have no reserved, user_id"
    assert asked("customers.holds", value).text == "not known: wallets have no reserved, user_id"
    assert asked("customers.country", value).value is None
    assert asked("customers.service", value).value == "none"
    await database.execute("ALTER TABLE activations DROP COLUMN user_id")
    with pytest.raises(MissingSchema, match="user_id"):
        await customers_rows.read(sources_on(database.url), SETTINGS, None)


async def test_without_rows_and_logs_nothing_is_said_to_be_calm(clients: LazyClients, sources_on):
    with pytest.raises(NotConfigured):
        await customers_rows.read(Sources(clients, {}), SETTINGS, None)
    with pytest.raises(Unreachable):
        await customers_rows.read(sources_on("postgresql://nobody@127.0.0.1:1/none"), SETTINGS, None)


def test_unknown_is_said_in_the_summary_and_is_no_zero():
    value = Customers(refused=3, refused_s=300, notes=("who fails or waits is not known: postgres refused",))
    told = SIGNAL.summary(value)
    assert told == "failing not known, 3 refused, waiting not known in 5 min; open holds not known"
    numbers = SIGNAL.numbers(value, 5, sample.NOW)
    assert numbers["customers_failing"] is None and numbers["customers_turned_away"] == 3
    for name in ("customers.failing", "customers.waiting", "customers.money", "customers.country"):
        assert asked(name, value).text == "not known: postgres refused"


def test_the_probes_say_who_and_how_much():
    value = sample.incident()["customers"].value
    assert asked("customers.failing", value).text == "58 customers failed in 5 min"
    assert asked("customers.refused", value).value == 30.0
    assert asked("customers.money", value).text == "14 purchases a minute fail, of 8.09 USD"
    country = asked("customers.country", value)
    assert (country.value, country.gives) == ("Angola", {"country": "Angola"})
    assert country.text == "Angola fails 92.3 % of 13 purchases"
    assert asked("customers.outofline", value, "angola").holds is True
    assert asked("customers.outofline", value, "Chad").holds is False
    assert tuple(SIGNAL.arguments["country"](value)) == ("Angola",)


# --- out of line ------------------------------------------------------------------------------------------------------


def part(provider: str, country: str, failed: int, decided: int, service: str = "telegram") -> Part:
    return Part(provider=provider, country=country, service=service, decided=decided, failed=failed)


def named(*parts: Part) -> list[str]:
    return [f"{row.kind} {row.name}" for row in out_of_line(parts)]


def test_few_purchases_are_never_out_of_line():
    assert named(part("a", "Angola", 3, 3), part("a", "Chad", 0, 200)) == []
    assert named(part("a", "Angola", 8, 8), part("a", "Chad", 0, 4)) == []
    assert named() == []


def test_a_country_that_only_the_failing_provider_sells_is_not_out_of_line():
    assert named(part("down", "Angola", 40, 40), part("up", "Chad", 0, 400)) == []
    both = (part("down", "Angola", 30, 30), part("down", "Chad", 28, 30), part("up", "Chad", 0, 400))
    assert named(*both) == []


def test_a_country_that_fails_beside_the_others_of_its_providers_is():
    parts = (part("a", "Angola", 11, 12), part("a", "Chad", 2, 80), part("b", "Angola", 6, 7), part("b", "Peru", 1, 60))
    assert named(*parts) == ["country Angola"]
    assert out_of_line(parts)[0].failed == 17


def test_what_fails_a_little_more_than_the_rest_is_not_out_of_line():
    assert named(part("a", "Angola", 60, 400), part("a", "Chad", 20, 400)) == []


def test_noise_that_is_healthy_names_nobody():
    """Forty countries of which some fail more by chance: 20 rounds of a fixed sequence."""
    state = 7
    for _ in range(20):
        parts = []
        for country in range(40):
            failed = 0
            for _ in range(12):
                state = (state * 1103515245 + 12345) % 2**31
                failed += state % 100 < 8
            parts.append(part("a", f"country {country}", failed, 12))
        assert named(*parts) == []


def test_a_service_is_found_as_a_country_is_and_nameless_ones_are_not():
    parts = [part("a", "Chad", 10, 11, "whatsapp"), part("a", "Chad", 1, 90), part("a", "", 20, 20, "")]
    assert named(*parts) == ["service whatsapp"]
