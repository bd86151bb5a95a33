"""Providers whose names can be taken for another's are two, and are marked wherever one is chosen."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sample_readings import NOW, calm, incident

from nexconsole.actions.circuits import SetCircuit
from nexconsole.actions.provider_rows import circuit_of
from nexconsole.actions.providers import _to_disable, _to_enable
from nexconsole.panes import circuits as circuits_pane
from nexconsole.panes import transactions as transactions_pane
from nexconsole.settings import CircuitRules, Settings
from nexconsole.signals.circuits import Parts, ProviderNameRow, build
from nexconsole.signals.probe import View
from nexconsole.signals.provider_names import ProviderNames
from nexconsole.signals.transactions import ProviderTraffic
from nexconsole.text.lookalikes import look_alikes, marked, skeleton
from nexconsole.widgets.panel import RenderContext

CYRILLIC = "\u0455m\u0455bower"  # smsbower with two Cyrillic letters


@pytest.mark.parametrize(
    ("name", "other", "note"),
    [
        ("SMSBOWER", "smsbower", "look-alike of smsbower: differs in case"),
        ("sms\u0431ower", "smsbower", None),  # б looks like 6, not like b
        ("\u0441im", "cim", "look-alike of cim: contains CYRILLIC SMALL LETTER ES"),
        (CYRILLIC, "smsbower", "look-alike of smsbower: contains CYRILLIC SMALL LETTER DZE"),
        ("sm\u200bsbower", "smsbower", "look-alike of smsbower: contains ZERO WIDTH SPACE"),
        ("ｓmsbower", "smsbower", "look-alike of smsbower: contains FULLWIDTH LATIN SMALL LETTER S"),
        ("smsb0wer", "smsbower", "look-alike of smsbower: differs in characters that look alike"),
        ("tiger_sms", "tiger-sms", "look-alike of tiger-sms: differs in characters that look alike"),
        ("smsböwer", "smsbower", "look-alike of smsbower: contains LATIN SMALL LETTER O WITH DIAERESIS"),
        ("smsbower2", "smsbower", None),
        ("5sim", "6sim", None),
    ],
)
def test_a_name_that_can_be_taken_for_another_is_marked_with_what_differs(name, other, note):
    notes = look_alikes([other, name, "onlinesim"])
    assert notes.get(name) == note
    assert (other in notes) is (note is not None)
    assert "onlinesim" not in notes


def test_the_plain_one_is_marked_too_and_names_its_twins():
    notes = look_alikes(["smsbower", "SMSBOWER", "SmsBower", "smsb\u043ewer"])
    assert notes["smsbower"] == "look-alike of SMSBOWER, SmsBower and more"
    assert marked("SMSBOWER", notes) == "SMSBOWER (look-alike of smsbower: differs in case)"
    assert marked("5sim", notes) == "5sim"
    assert "\u200b" not in look_alikes(["a\u200bb", "ab"])["ab"]


def test_names_of_a_real_installation_are_no_look_alikes():
    names = [
        "5sim",
        "onlinesim",
        "sms-activate",
        "smsbower",
        "tiger-sms",
        "herosms",
        "grizzlysms",
        "getsms",
        "gw1",
        "gw11",
    ]
    assert look_alikes(names) == {}
    assert skeleton("SMS-Bower") == "sms-bower"


def test_two_rows_that_differ_in_case_have_two_keys_and_one_row_has_its_name_in_lower_case():
    names = ProviderNames([("1", "smsbower", "SMS Bower"), ("2", "SMSBOWER", "SMS Bower"), ("3", "FiveSim", "5SIM")])
    assert [one.key for one in names.providers] == ["smsbower", "SMSBOWER", "fivesim"]
    found = {label: names.key(label) for label in ("smsbower", "SMSBOWER", "SmsBower", "fivesim", "5sim", "3", "gone")}
    assert found == {
        "smsbower": "smsbower",
        "SMSBOWER": "SMSBOWER",
        "SmsBower": "smsbower",
        "fivesim": "fivesim",
        "5sim": "fivesim",
        "3": "fivesim",
        "gone": "gone",
    }
    assert (names.find("SmsBower"), names.find("SMS Bower")) == (None, None)  # several are meant
    assert (names.id("SMSBOWER"), names.id("fivesim"), names.id("gone"), names.key(None)) == ("2", "3", "", "(none)")


def test_two_names_that_are_shown_alike_are_told_apart_by_their_ids():
    names = ProviderNames([("1", "a\u200bb", ""), ("2", "ab", "")])
    assert [one.key for one in names.providers] == ["ab (id 1)", "ab (id 2)"]
    assert names.key("a\u200bb") == "ab (id 1)"


async def test_two_rows_are_two_providers_in_the_circuits_and_the_logs_doubt_is_said():
    rows = [
        ProviderNameRow(name=name, id=id, active=True, display_name=None) for name, id in (("sms", "1"), ("SMS", "2"))
    ]
    value = await build(Parts(named=rows, sources=["postgres"]), CircuitRules(), NOW, 0.0)
    assert {(one.name, one.id) for one in value.providers} == {("sms", "1"), ("SMS", "2")}


def twins() -> dict:
    """An incident in which SMSBOWER stands beside smsbower, and is disabled."""
    readings = incident()
    value = readings["circuits"].value
    one = next(each for each in value.providers if each.name == "smsbower")
    twin = replace(one, name="SMSBOWER", id="twin", active=False, state="closed", flapping=False)
    readings["circuits"] = replace(readings["circuits"], value=replace(value, providers=(*value.providers, twin)))
    purchases = readings["transactions"].value
    sold = ProviderTraffic(name="SMSBOWER", attempts=50, failures=0, failure_rate=0.0, id="twin")
    readings["transactions"] = replace(
        readings["transactions"], value=replace(purchases, providers=(sold, *purchases.providers))
    )
    return readings


def drawn(pane, readings: dict, signal: str) -> str:
    space = RenderContext(160, 60, NOW, Settings(), readings)
    picture = pane.detail(readings[signal].value, space)
    lines = [picture.rows.draw(n) for n in range(len(picture.rows.keys))]
    return "\n".join("".join(text for text, _ in line) for line in lines)


@pytest.mark.parametrize(
    ("pane", "signal"),
    [(circuits_pane, "circuits"), (transactions_pane, "transactions")],
    ids=["circuits", "purchases"],
)
def test_panes_mark_both(pane, signal):
    text = drawn(pane, twins(), signal)
    assert "SMSBOWER (look-alike of smsbower: differs in case)" in text
    assert "smsbower (look-alike of SMSBOWER)" in text
    assert "look-alike" not in drawn(pane, calm(), signal)


def test_the_palette_marks_them_and_means_the_exact_one():
    readings, settings = twins(), Settings()
    disable = {one.arguments["provider"]: one.title for one in _to_disable(readings, settings)}
    assert disable["smsbower"].startswith("Disable provider smsbower (look-alike of SMSBOWER) - ")
    assert "SMSBOWER" not in disable  # it does not fail, and is disabled already
    [enable] = [one for one in _to_enable(readings, settings) if one.arguments["provider"] == "SMSBOWER"]
    assert enable.title == "Enable provider SMSBOWER (look-alike of smsbower: differs in case) - disabled now"
    assert circuit_of(readings, "SMSBOWER").id == "twin"
    assert circuit_of(readings, "smsbower").id != "twin"
    assert circuit_of(readings, "SmsBower") is not None


def test_a_breaker_is_proposed_to_be_opened_for_the_one_that_fails():
    readings = twins()
    value = readings["circuits"].value
    providers = tuple(
        replace(one, active=True, holders=tuple(replace(each, state="closed") for each in one.holders))
        for one in value.providers
    )
    readings["circuits"] = replace(readings["circuits"], value=replace(value, providers=providers))
    opener = SetCircuit(name="circuit.open", title="t", synonyms=(), wanted="open", body={}, letter="o")
    assert [one.arguments["provider"] for one in opener.suggestions(readings, Settings())][:1] == ["smsbower"]
    assert "SMSBOWER" not in [one.arguments["provider"] for one in opener.suggestions(readings, Settings())]


def test_a_probe_means_the_exact_one_where_there_are_two():
    readings = twins()

    def view(argument: str) -> View:
        return View(value=None, reading=None, readings=readings, settings=Settings(), now=NOW, argument=argument)

    assert view("SMSBOWER").called("SMSBOWER") and not view("SMSBOWER").called("smsbower")
    assert view("smsbower").called("smsbower") and not view("smsbower").called("SMSBOWER", "twin")
    assert view("SMSBOWER").called("twin")
    assert view("TIGER-SMS").called("tiger-sms")  # where there is one, case does not matter
