"""The list of reasons: causes first, what is not known, what is still in force; Enter leads to the pane."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sample_readings as sample
from cause_readings import failing, stalled
from controller import text_of
from frozen_console import console, shown

from nexconsole.model import SourceHealth
from nexconsole.screens.why import WhyScreen
from nexconsole.session.monitor import Monitor
from nexconsole.settings import Settings
from nexconsole.widgets import banner

STALL = {"database": stalled(40), "transactions": failing(0.8)}


def stall() -> dict[str, sample.Reading]:
    return sample.calm() | {name: sample.reading(name, value) for name, value in STALL.items()}


@pytest.fixture(autouse=True)
def _worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sample.WORLDS, "stall", stall)


@pytest.mark.parametrize(("key", "pane"), [("enter", "database"), ("down", "transactions")])
async def test_enter_leads_to_the_pane_of_the_reason_under_the_cursor(key: str, pane: str) -> None:
    app = console("stall")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown("stall", "w")(pilot)
        assert isinstance(app.screen, WhyScreen)
        said = text_of(app)
        assert said.index("session 4711 blocks 40 others") < said.index("80 % of purchases fail")
        assert "pane 5, database; read 1 s ago; explains purchases; next: end session 4711" in said
        await pilot.press(*dict.fromkeys((key, "enter")))
        await pilot.pause()
        assert app.screen is app.console_screen
        assert app.console_screen.maximized_pane.face.SIGNAL == pane
        await pilot.press("w", "enter")
        await pilot.pause()
        assert app.console_screen.maximized_pane.face.SIGNAL == "database"


async def test_the_cursor_stays_on_its_reason_when_another_comes_before_it() -> None:
    app = console("calm")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown("calm")(pilot)
        app.monitor.take(sample.reading("transactions", failing(0.8)))
        await pilot.press("w")
        app.monitor.take(sample.reading("database", stalled(40)))
        app.screen.paint()
        await pilot.press("enter")
        await pilot.pause()
        assert app.console_screen.maximized_pane.face.SIGNAL == "transactions"


async def test_a_click_on_the_verdict_opens_the_list_and_w_closes_it() -> None:
    app = console("incident")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown("incident")(pilot)
        await pilot.click("#why", offset=(70, 0))
        await pilot.pause()
        assert isinstance(app.screen, WhyScreen)
        await pilot.press("w")
        await pilot.pause()
        assert app.screen is app.console_screen


async def test_what_is_silent_or_was_never_read_is_listed_too() -> None:
    app = console("calm")
    lost = SourceHealth(name="kubernetes", ok_at=sample.ago(90), error="kubernetes at k: timed out", kind="timed out")
    app.monitor.health = lambda: (lost,)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown("calm")(pilot)
        alerts = sample.calm()["alerts"]
        app.monitor.take(replace(alerts, value=None, taken_at=None, attempted_at=sample.NOW, error="refused"))
        app.monitor.take(replace(sample.calm()["outbox"], taken_at=sample.ago(300), error="no answer"))
        await pilot.press("w")
        said = text_of(app)
        assert "kubernetes: kubernetes at k: timed out" in said and "no answer since 14:06:01" in said
        assert "alerts: refused" in said and "pane 7, alerts" in said
        assert "outbox: last read 5 min ago: no answer" in said
        assert "transactions:" not in said
        assert "·       nothing is wrong" not in said


async def test_all_that_is_still_in_force_is_listed_in_calm() -> None:
    app = console("calm")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown("calm")(pilot)
        force = tuple(f"provider {n} is disabled, by maria {n} min ago" for n in range(2, 9))
        app.console_screen.in_force = (f"{force[0]}; u undoes it", *force[1:])
        app.console_screen.tick()
        await pilot.pause()
        assert "still in force: provider 2 is disabled, by maria 2 min ago; u undoes it" in text_of(app)
        await pilot.press("w")
        assert all(what in text_of(app) for what in force)
        assert "·       nothing is wrong" in text_of(app)


async def test_unlike_the_others_the_list_of_a_frozen_picture_is_as_it_was() -> None:
    app = console("calm")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown("calm", "p")(pilot)
        app.monitor.take(sample.reading("database", stalled(40)))
        await pilot.press("w")
        assert "blocks 40 others" not in text_of(app)


def test_since_when_a_reason_holds_is_known_if_its_signal_was_read_before() -> None:
    now = [sample.NOW]
    monitor = Monitor(Settings(), clock=lambda: now[0])
    monitor.take(sample.reading("database", stalled(40)))
    monitor.take(sample.calm()["transactions"])
    now[0] = sample.NOW.replace(second=50)
    monitor.take(sample.reading("transactions", failing(0.8)))
    now[0] = sample.NOW.replace(second=59)
    monitor.take(sample.reading("database", stalled(50)))
    database, transactions = sorted(monitor.severity.reasons, key=lambda reason: reason.signal)
    assert (monitor.since(database).at, monitor.since(database).seen) == (sample.NOW, False)
    assert (monitor.since(transactions).at.second, monitor.since(transactions).seen) == (50, True)
    monitor.take(sample.calm()["database"])
    assert monitor.since(database) is None


@pytest.mark.parametrize(
    ("width", "words"),
    [
        (
            130,
            "database session 4711 blocks 40 others (idle in transaction for 4 min)  next: ^P end session 4711",
        ),
        (95, "database session 4711 blocks 40 others  next: ^P end session 4711  +1 more"),
        (70, "database session 4711 blocks 40 others  +1"),
        (50, "database session 4711 blocks 40 others"),
    ],
)
def test_the_next_step_stands_behind_the_cause_where_there_is_room(width: int, words: str) -> None:
    monitor = Monitor(Settings(), clock=lambda: sample.NOW, readings=stall())
    monitor.judge()
    line = banner.verdict(monitor.severity, stall(), sample.NOW, width, steps=("^P end session 4711",))
    said = "".join(text for text, _ in line)
    assert said.startswith(" SEV-1 ") and said.removeprefix(" SEV-1 ").strip().startswith(words)
    assert ("next" in said) is ("next" in words)


def test_a_long_wording_of_the_next_step_gives_way_to_a_short_one() -> None:
    monitor = Monitor(Settings(), clock=lambda: sample.NOW, readings=stall())
    monitor.judge()
    steps = ("s opens scenario 2, stuck reservations of a very long title", "s opens scenario 2")
    line = banner.verdict(monitor.severity, stall(), sample.NOW, 95, steps=steps)
    assert "  next: s opens scenario 2  " in "".join(text for text, _ in line)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("world", ["incident", "stale", "calm"])
def test_the_list_of_reasons_looks_as_it_did(snap_compare, world: str, size: tuple[int, int]) -> None:
    assert snap_compare(console(world), run_before=shown(world, "w"), terminal_size=size)
