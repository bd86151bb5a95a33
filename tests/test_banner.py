"""The verdict in the first line: what is silent is named, calm is claimed only where it is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from sample_readings import NOW, calm, incident

from nexconsole.model import Reading, SourceHealth
from nexconsole.settings import Settings
from nexconsole.severity import Reason, Severity, judge
from nexconsole.signals.transactions import LastMinute
from nexconsole.widgets import banner

LOST = SourceHealth(name="postgres", failed_at=NOW, error="postgres at p: refused", kind="unreachable")


def verdict(
    readings: Mapping[str, Reading], *sources: SourceHealth, width: int = 200, standing: Sequence[str] = ()
) -> str:
    severity = judge(readings, Settings(), NOW, sources)
    return "".join(text for text, _ in banner.verdict(severity, readings, NOW, width, standing)).rstrip()


def without_dropped() -> dict[str, Reading]:
    readings = calm()
    return readings | {"outbox": replace(readings["outbox"], value=replace(readings["outbox"].value, dropped=0))}


def test_calm_is_claimed_where_everything_is_known():
    readings = without_dropped()
    assert verdict(readings) == f" CALM  nothing is wrong in {len(readings)} signals"


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (LOST, " NOT KNOWN  PostgreSQL has not answered yet (unreachable): purchases need it"),
        (replace(LOST, kind="denied"), " NOT KNOWN  PostgreSQL can't be read (denied): purchases need it"),
    ],
)
def test_calm_is_not_claimed_while_what_purchases_need_is_not_answering(source, words):
    assert verdict(without_dropped(), source) == words


def test_a_source_that_fell_silent_is_the_first_word_beside_the_level():
    lost = replace(LOST, ok_at=NOW.replace(second=0))
    assert verdict(incident(), lost).startswith(
        " SEV-1  PostgreSQL has not answered for 31 s (unreachable): purchases need it  +"
    )


def test_a_signal_without_data_stands_beside_what_is_not_known():
    readings = without_dropped()
    readings["alerts"] = replace(readings["alerts"], value=None, taken_at=None, error="timed out")
    assert verdict(readings, LOST).endswith("purchases need it; no data from alerts")


def test_when_the_level_falls_stands_beside_the_reason_where_there_is_room():
    readings = incident()
    value = replace(
        readings["transactions"].value, minute=LastMinute(decided=40, failures=0, failure_rate=0.0), clean_in_s=190.0
    )
    readings["transactions"] = replace(readings["transactions"], value=value)
    wide = verdict(readings)
    assert "; none of 40 purchases failed in the last minute; the level falls within 3 min 10 s  +" in wide
    narrow = verdict(readings, width=105)
    assert "; the level falls within 3 min 10 s  +" in narrow
    assert "17.8 % of purchases fail" in narrow and "falls" not in verdict(readings, width=60)


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        (["smsbower is disabled"], "; still in force: smsbower is disabled"),
        (["smsbower is disabled", "b", "c"], "; still in force: smsbower is disabled and 2 more"),
        ([], ""),
    ],
)
def test_what_is_still_in_force_is_said_in_calm_too(standing, words):
    readings = without_dropped()
    assert verdict(readings, standing=standing) == f" CALM  nothing is wrong in {len(readings)} signals{words}"


@pytest.mark.parametrize(("dropped", "words"), [(7, "7 outbox events were dropped"), (1, "1 outbox event was dropped")])
def test_dropped_events_are_said_in_calm_too(dropped, words):
    readings = calm()
    readings["outbox"] = replace(readings["outbox"], value=replace(readings["outbox"].value, dropped=dropped))
    assert verdict(readings).endswith(f"signals; {words}")


def test_before_anything_was_judged_nothing_is_claimed():
    assert "".join(text for text, _ in banner.verdict(None, {}, NOW, 60)).strip() == "?  no reading yet"
    lost = Severity(level="none", unanswered=("PostgreSQL has not answered yet",))
    assert "PostgreSQL" not in "".join(text for text, _ in banner.verdict(lost, {}, NOW, 60))


@pytest.mark.parametrize(
    ("width", "words"),
    [
        (95, " SEV-1  purchasing is down: 59 in flight at smsbower, none decided for 76 s (usually 563 ms)"),
        (80, " SEV-1  purchasing is down: 59 in flight at smsbower, none decided for 76 s"),
        (55, " SEV-1  purchasing is down: 59 in flight at smsbower"),
        (45, " SEV-1  purchasing is down: 59 in flight at …"),
    ],
)
def test_a_reason_that_is_too_long_ends_whole(width, words):
    said = "purchasing is down: 59 in flight at smsbower, none decided for 76 s (usually 563 ms)"
    why = Severity(level="SEV-1", reasons=(Reason(level="SEV-1", text=said, signal="transactions", age_s=0.0),))
    assert "".join(text for text, _ in banner.verdict(why, incident(), NOW, width)).rstrip() == words
