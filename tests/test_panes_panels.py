"""Every pane's picture at every size, of every state, and of text that means harm."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sample_readings as sample
from hostile import poisoned
from rich.cells import cell_len

from nexconsole.model import Reading
from nexconsole.panes import kpis
from nexconsole.panes import view as faces
from nexconsole.panes.registry import PANES
from nexconsole.settings import Settings
from nexconsole.signals.attribution import ProviderTraffic, Scope
from nexconsole.signals.circuits import Circuits, Holder
from nexconsole.signals.database import Database
from nexconsole.signals.funnel import Funnel
from nexconsole.signals.releases import Release
from nexconsole.signals.transactions import Transactions
from nexconsole.signals.workloads import Workloads
from nexconsole.widgets.panel import PanelFrame, RenderContext, framed
from nexconsole.widgets.spans import as_text
from nexconsole.widgets.styles import STYLES

HOSTILE = (
    "[/]",
    "[red]x[/red]",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07after",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x9b2Jwiped",
    "line\r\nbreak\ttab\x00nul\x7f",
    "👩‍👩‍👧‍👦 family 🏳️‍🌈 👍🏽 🇳🇱",
    "\u202eevil\u202c \u2066isolated\u2069 \u200fמספר وهمي",
    "Z" + "\u0301\u0323\u0489" * 40 + "algo",
    "界" * 300,
    "\ud800 lone surrogate",
    "x" * 1_000_000,
    "🔥" * 250_000,
)
SIZES = ((1, 1), (4, 3), (12, 5), (36, 4), (36, 10), (56, 18), (100, 24), (200, 46))
BY_SIGNAL = {face.SIGNAL: face for face in PANES}


def drawn(
    signal: str, reading: Reading | None, width: int = 56, height: int = 18, large: bool = False, **more: Any
) -> list[str]:
    """The frame's lines as text; every run's ink exists and every line is as wide as the frame."""
    face = BY_SIGNAL[signal]
    readings = {signal: reading} if reading else {}
    space = RenderContext(
        max(0, width - 4), max(0, height - 2), sample.NOW, Settings(), readings | more.pop("readings", {}), **more
    )
    picture = faces.picture(face, reading, space, large)
    lines = framed(picture, PanelFrame(face.TITLE, faces.provenance(reading, space), True, 0, 0), width, height)
    assert len(lines) == height
    for line in (*lines, faces.brief(face, reading, replace(space, width=width))):
        assert sum(cell_len(text) for text, _ in line) == width
        assert {ink for _, ink in line} <= STYLES.keys()
        assert all(text.isprintable() for text, _ in line)
    return as_text(lines).splitlines()


def panes(readings: dict[str, Reading]) -> list[tuple[str, Reading]]:
    """The readings that have a pane of their own."""
    return [(signal, reading) for signal, reading in readings.items() if signal in BY_SIGNAL]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("world", sample.WORLDS)
def test_every_pane_fits_every_size_in_every_world(world: str, size: tuple[int, int]) -> None:
    beside = {"outbox events": sample.events(), "locks": sample.reading("locks", sample.locks(31))}
    for signal, reading in panes(sample.WORLDS[world]()):
        for large in (False, True):
            for alert_level in ("calm", "minor", "warn", "alarm"):
                drawn(
                    signal,
                    reading,
                    *size,
                    large=large,
                    alert_level=alert_level,
                    alert_levels={"locks": alert_level},
                    readings=beside,
                )


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text)[:24])
def test_hostile_text_anywhere_in_a_value_is_drawn_as_harmless_words(text: str) -> None:
    for signal, reading in panes(sample.incident()):
        hostile = replace(reading, value=poisoned(reading.value, text), error=text)
        for age in (1, 100):
            for large in (False, True):
                drawn(signal, replace(hostile, taken_at=sample.ago(age)), large=large, alert_level="alarm")
        drawn(signal, replace(hostile, value=None, taken_at=None))
        drawn(signal, replace(hostile, absent=True))
    events = replace(sample.events(), value=poisoned(sample.events().value, text), error=text)
    drawn("outbox", sample.incident()["outbox"], large=True, readings={"outbox events": events})
    locks = sample.reading("locks", poisoned(sample.locks(3), text), error=text)
    for large in (False, True):
        drawn("reservations", sample.incident()["reservations"], large=large, readings={"locks": locks})


def test_markup_in_a_name_is_shown_as_it_is_written() -> None:
    value = sample.calm()["circuits"].value
    value = replace(value, providers=(replace(value.providers[0], name="[red]a[/]"),))
    assert any("[red]a[/]" in line for line in drawn("circuits", sample.reading("circuits", value)))


def test_no_data_zero_stale_error_and_unconfigured_are_five_different_pictures() -> None:
    zero = Transactions(source="postgres", failure_rate=0.0, attempts=200, failures=0, window_s=300)
    empty = replace(zero, failure_rate=None, attempts=0)
    pictures = {
        "waiting": drawn("transactions", None),
        "zero": drawn("transactions", sample.reading("transactions", zero)),
        "nothing measured": drawn("transactions", sample.reading("transactions", empty)),
        "stale": drawn("transactions", sample.stale()["transactions"]),
        "error": drawn("transactions", sample.reading("transactions", None, error="postgres did not answer")),
        "absent": drawn("transactions", sample.unconfigured()["transactions"]),
    }
    text = {name: "\n".join(lines) for name, lines in pictures.items()}
    assert len(set(text.values())) == 6
    assert "0 of 200 failed" in text["zero"]
    assert "waiting" in text["waiting"]
    assert "no purchases" in text["nothing measured"] and "0 %" not in text["nothing measured"]
    assert "STALE 42 s" in text["stale"] and "postgres did not answer" in text["stale"]
    assert "14:06:49" in text["stale"]
    assert "NO DATA" in text["error"] and "postgres did not answer" in text["error"]
    assert "not configured" in text["absent"] and "DATABASE_URL" in text["absent"]


def test_a_stale_pane_keeps_its_figures_without_any_loud_ink() -> None:
    reading = sample.stale()["reservations"]
    space = RenderContext(52, 6, sample.NOW, Settings(), {}, "alarm")
    picture = faces.picture(BY_SIGNAL["reservations"], reading, space)
    inks = {ink for line in picture.head for _, ink in line}
    assert inks == {"stale"}
    assert "56 stuck" in as_text(picture.head)


@pytest.mark.parametrize(
    ("verdict", "words"),
    [
        ("one", "ONE PROVIDER: smsbower"),
        ("some", "SOME PROVIDERS"),
        ("all", "ALL PROVIDERS"),
        ("unknown", "TOO FEW TO SAY"),
    ],
)
def test_the_verdict_is_said_in_words(verdict: str, words: str) -> None:
    value = sample.incident()["transactions"].value
    scope = replace(value.scope, verdict=verdict, provider="smsbower" if verdict == "one" else None, because="")
    lines = drawn("transactions", sample.reading("transactions", replace(value, scope=scope)), alert_level="alarm")
    assert any(words in line for line in lines)


def test_the_verdict_names_the_provider_in_the_narrowest_pane_too() -> None:
    lines = drawn("transactions", sample.incident()["transactions"], 40, 12, alert_level="alarm")
    assert any("ONE PROVIDER: smsbower, 66 of 71" in line for line in lines)


def test_two_sources_that_disagree_are_said_to() -> None:
    value = replace(sample.calm()["transactions"].value, disagreement="Prometheus says 1 %, Postgres says 20 %")
    assert any("Postgres says 20 %" in line for line in drawn("transactions", sample.reading("transactions", value)))


def test_circuits_say_which_holders_are_open_and_for_how_long() -> None:
    lines = drawn("circuits", sample.incident()["circuits"], 60, 20, alert_level="minor")
    row = next(line for line in lines if "smsbower" in line)
    assert "▲ smsbower" in row and "OPEN 2/3 pods, shared OPEN, 12 s left" in row
    assert any("~ tiger-sms" in line and "HALF-OPEN 1/3 pods, no traffic for 4 min" in line for line in lines)
    assert any("○ onlinesim" in line and "disabled" in line for line in lines)
    assert any("FLAPPING smsbower: opened 4 times in 10 min" in line for line in lines)


def test_an_outbox_that_does_not_drain_says_so() -> None:
    text = "\n".join(drawn("outbox", sample.incident()["outbox"], 60, 8, alert_level="minor"))
    assert "oldest 25 min" in text and "9 failed, 2 dropped" in text and "draining 0 a minute" in text


LOUD = {"alert_level": "calm", "alert_levels": {"locks": "warn"}}


def reservations_with(locks: Any, name: str = "calm", width: int = 60, height: int = 9, **more: Any) -> list[str]:
    reading = sample.WORLDS[name]()["reservations"]
    return drawn("reservations", reading, width, height, readings={"locks": sample.reading("locks", locks)}, **more)


def test_locks_that_nobody_will_release_stand_below_the_reservations_and_mark_their_pane() -> None:
    lines = reservations_with(sample.locks(31), **LOUD)
    assert "▲ Reservations" in lines[0]
    assert any("▲ 31 orphaned locks  oldest 9 min" in line for line in lines)
    short = reservations_with(sample.locks(31), height=5, **LOUD)
    assert any("▲ 31 orphaned locks" in line for line in short)
    assert any("3 locks, none orphaned" in line for line in reservations_with(sample.locks(0)))
    assert not any("locks" in line for line in reservations_with(sample.locks(0), height=5))


def test_locks_in_a_part_of_the_keys_are_said_to_be_so_far() -> None:
    lines = reservations_with(sample.locks(0, whole=False))
    assert any("3 locks, none orphaned  so far, in 10 000 keys" in line for line in lines)


def test_locks_are_seen_while_the_reservations_can_not_be_read() -> None:
    for reading in (sample.stale()["reservations"], sample.reading("reservations", None, error="postgres refused")):
        for large in (False, True):
            readings = {"locks": sample.reading("locks", sample.locks(31))}
            lines = drawn("reservations", reading, 80, 24, large=large, readings=readings, **LOUD)
            assert any("▲ 31 orphaned locks" in line for line in lines)


def test_maximized_reservations_list_the_families_and_the_worst_locks() -> None:
    text = "\n".join(reservations_with(sample.locks(31), width=120, height=40, large=True, **LOUD))
    assert "number                       31         31     9 min   lock:number:*" in text
    assert "9 min  never    number     lock:number:00000000-0000-4000-8000-000000000000-whatsapp-united kingdom" in text


def test_locks_that_can_not_be_read_are_not_zero() -> None:
    readings = {"locks": sample.reading("locks", None, error="redis refused the connection")}
    lines = drawn("reservations", sample.calm()["reservations"], 60, 9, readings=readings)
    assert any("locks not known  redis refused the connection" in line for line in lines)


def test_a_line_of_reservations_begins_with_the_abandoned_locks() -> None:
    readings = {"locks": sample.reading("locks", sample.locks(31))}
    space = RenderContext(80, 1, sample.NOW, Settings(), readings, alert_levels={"locks": "warn"})
    line = as_text((faces.brief(BY_SIGNAL["reservations"], sample.calm()["reservations"], space),))
    assert line.startswith(" 4 ▲ reservations  31 orphaned locks  11 pending")


def test_a_capped_count_says_that_it_may_be_more() -> None:
    value = replace(sample.incident()["outbox"].value, pending=10_000, capped=True)
    assert "10 000+" in "\n".join(drawn("outbox", sample.reading("outbox", value), 40, 4))


def test_a_thousand_providers_cost_no_more_than_those_in_sight() -> None:
    calls = 0
    value = sample.calm()["circuits"].value
    many = tuple(replace(value.providers[0], name=f"provider-{n:04}") for n in range(1000))
    reading = sample.reading("circuits", Circuits(providers=many, pods=3, pods_followed=3))
    space = RenderContext(56, 18, sample.NOW, Settings())
    picture = faces.picture(BY_SIGNAL["circuits"], reading, space, True)
    draw = picture.rows.draw

    def counted(n: int):
        nonlocal calls
        calls += 1
        return draw(n)

    picture = replace(picture, rows=replace(picture.rows, draw=counted))
    lines = framed(picture, PanelFrame("Circuits", (), True, 500, 505), 60, 20)
    assert calls == 16
    assert "501-516 of 1000" in as_text(lines)


def blocked(**more: Any) -> Transactions:
    """59 purchases wait at smsbower, and none is decided for 76 s."""
    calm: Transactions = sample.calm()["transactions"].value
    waits = ProviderTraffic(
        name="smsbower",
        attempts=175,
        failures=0,
        failure_rate=0.0,
        in_flight=59,
        oldest_s=76.0,
        newest_s=1.0,
        silent_s=76.0,
        overdue=40,
    )
    given: dict[str, Any] = {
        "attempts": 176,
        "failures": 0,
        "failure_rate": 0.0,
        "in_flight": 59,
        "oldest_s": 76.0,
        "newest_s": 1.0,
        "silent_s": 76.0,
        "overdue": 40,
        "overdue_after_s": 30.0,
        "usual_s": 0.563,
        "providers": (waits,),
        "scope": Scope(verdict="none", because=""),
    }
    return replace(calm, **given | more)


def test_purchases_that_wait_are_the_figure_where_they_make_the_level() -> None:
    lines = drawn("transactions", sample.reading("transactions", blocked()), alert_level="alarm")
    assert "█" in lines[2] and "%" not in "".join(lines[1:4])
    assert "purchases in flight at smsbower" in lines[1]
    assert "none decided for 76 s" in lines[2]
    assert "0 of 117 failed in 5 min" in lines[3]
    assert "59 in flight, oldest 76 s" in lines[4]
    assert "no provider stands out" not in "\n".join(lines)


@pytest.mark.parametrize(("width", "height"), [(38, 10), (38, 6), (36, 9), (38, 4)])
def test_who_waits_is_said_whole_in_the_smallest_pane(width: int, height: int) -> None:
    text = "\n".join(
        drawn("transactions", sample.reading("transactions", blocked()), width, height, alert_level="alarm")
    )
    assert "in flight at smsbower" in text and "0 of 117 failed" in text


def test_purchases_that_wait_among_others_that_are_decided_are_the_figure_too() -> None:
    value = blocked(silent_s=1.0, providers=(), attempts=213, overdue=90, in_flight=90)
    text = "\n".join(drawn("transactions", sample.reading("transactions", value), alert_level="alarm"))
    assert "of 213 purchases late" in text and "in flight for over 30 s (usually 563 ms)" in text


def test_a_line_of_the_waiting_begins_with_them() -> None:
    space = RenderContext(110, 1, sample.NOW, Settings(), alert_level="alarm")
    line = as_text((faces.brief(BY_SIGNAL["transactions"], sample.reading("transactions", blocked()), space),))
    assert "59 in flight at smsbower, none decided for 76 s; 0 % of 117 failed" in line


def test_who_waits_is_shown_with_its_age_while_the_rows_are_not_read() -> None:
    unread: dict[str, Any] = {"counted_by": {"prometheus": (117, 0)}}
    value = blocked(**unread, waiting_at=sample.NOW - timedelta(seconds=130))
    text = "\n".join(drawn("transactions", sample.reading("transactions", value), 80, 20, alert_level="alarm"))
    assert "in flight: counted 2 min ago, the rows are not read" in text
    assert f"none decided for 76 s, as of {value.waiting_at:%H:%M:%S}Z" in text
    few = replace(value, in_flight=1, attempts=1, overdue=0, providers=())
    words = [text for text, _ in answered("calm", transactions=sample.reading("transactions", few)).words]
    assert "in flight: counted 2 min ago" in words
    nobody = replace(few, in_flight=0, attempts=0, waiting_at=None)
    text = "\n".join(drawn("transactions", sample.reading("transactions", nobody), 80, 20))
    assert "in flight not known: the rows are not read" in text


@pytest.mark.parametrize(("width", "words"), [(60, "429: 7, 5xx: 2 in 10 min"), (36, "429: 7")])
def test_what_upstreams_answered_is_counted_over_a_time(width: int, words: str) -> None:
    circuits: Circuits = sample.calm()["circuits"].value
    seen = tuple(replace(one, seen_429=7, seen_5xx=2) for one in circuits.providers)
    lines = drawn("circuits", sample.reading("circuits", replace(circuits, providers=seen)), width)
    assert any(line.rstrip(" │┃").endswith(f"closed, {words}") for line in lines)


@pytest.mark.parametrize(("pods", "said"), [(("app-79q6k",), True), (("app-79q6k", "app-vj794"), False)])
def test_open_breakers_of_one_pod_alone_are_said_to_be_that(pods: tuple[str, ...], said: bool) -> None:
    circuits: Circuits = sample.calm()["circuits"].value
    holders = tuple(Holder(kind="pod", where=pod, state="open") for pod in pods)
    value = replace(
        circuits,
        providers=tuple(replace(one, state="open", holders=holders, active=True) for one in circuits.providers),
        pods=3,
        pods_followed=3,
    )
    lines = drawn("circuits", sample.reading("circuits", value), 60, alert_level="minor")
    assert ("open  in ONE POD alone: …p-79q6k" in lines[1]) is said


def answered(alert_level: str = "alarm", **readings: Reading) -> kpis.Kpi:
    space = RenderContext(
        60, 5, sample.NOW, Settings(), readings, alert_level, {"transactions": alert_level, "funnel": alert_level}
    )
    return kpis.kpi("transactions", readings["transactions"], space)


def test_on_the_shared_screen_those_who_wait_are_the_figure_where_they_make_the_level() -> None:
    said = answered(transactions=sample.reading("transactions", blocked()))
    assert (said.figure, said.unit, said.ink) == ("59", "", "alarm")
    assert [text for text, _ in said.words] == [
        "purchases in flight at smsbower",
        "none decided for 76 s",
        "0 % of 117 failed in 5 min",
        "usually 563 ms; oldest 76 s",
    ]


@pytest.mark.parametrize(
    ("rate", "age", "alert_level", "figure"),
    [
        (0.1, 1.0, "alarm", "90.7"),
        (0.95, 1.0, "alarm", "95"),  # more fail than are refused
        (0.1, 60.0, "alarm", "10"),  # the funnel is stale
        (0.1, 1.0, "calm", "10"),
    ],
)
def test_on_the_shared_screen_refused_customers_are_the_figure_where_they_are_worse(
    rate: float, age: float, alert_level: str, figure: str
) -> None:
    transactions = Transactions(failure_rate=rate, attempts=40, failures=4, window_s=300)
    funnel = Funnel(window_s=300, rests_on_s=300.0, refused={"no route": 423, "no offer": 16, "lock": 6}, sold=39)
    said = answered(
        alert_level,
        transactions=sample.reading("transactions", transactions),
        funnel=sample.reading("funnel", funnel, age=age),
    )
    assert (said.figure, said.unit) == (figure, "%")
    if figure == "90.7":
        assert [text for text, _ in said.words] == [
            "customers are refused",
            "no offer or no route",
            "439 of 484 in 5 min",
            "10 % of purchases fail",
        ]


@pytest.mark.parametrize(("used", "words"), [(51, "nobody waits"), (54, "its connections are nearly used up")])
def test_a_database_without_connections_is_not_told_by_what_is_calm(used: int, words: str) -> None:
    database: Database = sample.calm()["database"].value
    value = replace(database, connections=used, max_connections=60, sessions=(), blocked=0, long=0)
    value = replace(value, idle_in_transaction=0, hidden=0)
    assert words in drawn("database", sample.reading("database", value), 40, 8)[1]


@pytest.mark.parametrize(("age", "line"), [(300.0, "released 5 min ago"), (4000.0, "autoscaler")])
def test_a_fresh_release_has_a_line_of_its_own_where_the_first_is_too_short(age: float, line: str) -> None:
    workloads: Workloads = sample.calm()["workloads"].value
    release = Release(revision="2", read_at=sample.NOW, since=sample.ago(age))
    lines = drawn("workloads", sample.reading("workloads", replace(workloads, release=release)), 40, 8)
    assert lines[2].strip(" │┃").startswith(line)


@pytest.mark.parametrize(("counted", "said"), [({"prometheus": (400, 71)}, True), ({"postgres": (400, 71)}, False)])
def test_without_the_rows_nobody_is_said_not_to_wait(counted: dict[str, tuple[int, int]], said: bool) -> None:
    value = replace(sample.calm()["transactions"].value, counted_by=counted, in_flight=0)
    text = "\n".join(drawn("transactions", sample.reading("transactions", value)))
    assert ("in flight not known: the rows are not read" in text) is said
    words = [word for word, _ in answered("calm", transactions=sample.reading("transactions", value)).words]
    assert ("in flight: not known" in words) is said
