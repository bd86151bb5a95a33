"""What acting looks like: dialogs, palette, scenario and strip at three sizes, time standing still."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sample_readings as sample
from controller import quiet
from frozen_console import SIZES, console, remember, shown
from sample_plans import GUARDS, PROVIDER, plan, story
from textual.pilot import Pilot

from nexconsole.actions.plan import Confirmation, Guard, Outcome, Plan, Target, Verdict
from nexconsole.screens.break_glass import BreakGlassScreen
from nexconsole.screens.confirm import ConfirmScreen
from nexconsole.screens.journal import JournalScreen
from nexconsole.screens.typed_confirmation import TYPING_S
from nexconsole.screens.unrecorded import Unrecorded
from nexconsole.session.operation import Operation

ROLE = Guard(
    name="role may write",
    level="block",
    reason="role nexnum_read may only read providers: this console"
    " can't act on it before GRANT UPDATE (is_active, updated_at) ON providers TO nexnum_read",
)
LOCKS = tuple(
    Target(
        kind="lock",
        id=f"lock:purchase:atomic:user-{n}",
        identity={"value": f"v{n}"},
        chosen=n % 3 != 2,
        shown={"age_s": 600 + n, "ttl_s": None if n % 2 else 30, "owner": "nexnum-app-a"},
    )
    for n in range(40)
)


AGAIN = "the system changed since the preview (changed: smsbower): confirm it as it is now"
DIALOGS = {
    "letter": (plan(), None),
    "typed": (plan(confirm=Confirmation(kind="type", text="smsbower")), AGAIN),
    "blocked": (plan(guards=(*GUARDS, ROLE)), None),
    "many": (
        plan(
            action="locks.flush",
            arguments={"family": "purchase"},
            targets=LOCKS,
            effect="Deletes 27 locks of the family purchase that have no end or are older than 5 min",
        ),
        None,
    ),
}


def with_screen(make_screen: Callable[[Any], Any]) -> Callable[[Pilot], Any]:
    async def run_before(pilot: Pilot) -> None:
        await shown("incident")(pilot)
        pilot.app.push_screen(make_screen(pilot.app))
        await pilot.pause()
        await quiet(pilot.app)
        await pilot.pause()
        pilot.app.screen.paint()
        await pilot.pause()

    return run_before


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("dialog", DIALOGS)
def test_the_dialog_looks_as_it_did(snap_compare, dialog: str, size: tuple[int, int]) -> None:
    run_before = with_screen(lambda app: ConfirmScreen(*DIALOGS[dialog], app.settings, lambda: sample.NOW))
    assert snap_compare(console("incident"), run_before=run_before, terminal_size=size)


MUCH = plan(
    effect="Puts 1 000 FAILED events back to PENDING, the oldest 25 min old. " * 45,
    guards=tuple(
        Guard(name=f"warning {n}", level="warn", reason=f"warning {n}: customers may notice it for some minutes")
        for n in range(10)
    ),
    targets=tuple(Target(kind="event", id=f"event-{n:04}", identity={"retry_count": 1}) for n in range(1000)),
    command="\n".join(f"psql -X \"$DATABASE_URL\" -c 'UPDATE {n}'" for n in range(40)),
    confirm=Confirmation(kind="type", text="smsbower"),
)
WAS = plan(
    effect=plan().effect.replace("30 %", "28 %").replace("120 of", "112 of"),
    guards=GUARDS[:1],
    targets=(replace(PROVIDER, identity={"name": "smsbower", "active": None}),),
)
STATES: dict[str, tuple[tuple[Plan, str | None], tuple[str, ...]]]
STATES = {
    "folded": ((MUCH, None), ()),
    "unfolded": ((MUCH, None), ("3", "pagedown")),
    "right": ((plan(confirm=MUCH.confirm), None), tuple("smsb")),
    "differs": ((MUCH, None), tuple("smx")),
    "complete": ((plan(confirm=MUCH.confirm), None), tuple("smsbower")),
    "changed": ((plan(), AGAIN), ()),
}


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("state", STATES)
def test_the_dialogs_states_look_as_they_did(snap_compare, state: str, size: tuple[int, int]) -> None:
    given, keys = STATES[state]

    async def run_before(pilot: Pilot) -> None:
        before = WAS if state == "changed" else None
        await with_screen(lambda app: ConfirmScreen(*given, app.settings, lambda: sample.NOW, before=before))(pilot)
        for key in keys:
            await pilot.press(key)
            await asyncio.sleep(TYPING_S + 0.01)
        await pilot.pause()

    assert snap_compare(console("incident"), run_before=run_before, terminal_size=size)


@pytest.mark.parametrize("theme", ["light", "high-contrast", "colour-blind"])
def test_the_dialog_can_be_read_in_every_theme(snap_compare, theme: str) -> None:
    run_before = with_screen(lambda app: ConfirmScreen(*DIALOGS["blocked"], app.settings, lambda: sample.NOW))
    assert snap_compare(console("incident", theme), run_before=run_before, terminal_size=(120, 40))


def test_acting_without_a_record_looks_as_it_did(snap_compare) -> None:
    why = "/var/lib/nexconsole/outside-incidents.jsonl: can't be written: the disk is full: free some space"
    run_before = with_screen(lambda app: Unrecorded(why))
    assert snap_compare(console("incident"), run_before=run_before, terminal_size=(120, 40))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_scenario_looks_as_it_did(snap_compare, size: tuple[int, int]) -> None:
    async def run_before(pilot: Pilot) -> None:
        await shown("incident")(pilot)
        controller = pilot.app.controller
        await controller.scenarios.load_library()
        controller.scenarios.find_fits()
        remember(controller.session, story())
        await controller.scenarios._open_by_id("high-purchase-failure-rate")
        await pilot.pause()
        controller.console.say("")
        controller.paint()
        await pilot.pause()

    assert snap_compare(console("incident"), run_before=run_before, terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_journal_looks_as_it_did(snap_compare, size: tuple[int, int]) -> None:
    def open_it(app: Any) -> JournalScreen:
        remember(app.controller.session, story())
        return JournalScreen(app.controller.session)

    assert snap_compare(console("incident"), run_before=with_screen(open_it), terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_palette_looks_as_it_did(snap_compare, size: tuple[int, int]) -> None:
    async def run_before(pilot: Pilot) -> None:
        await shown("incident")(pilot)
        await pilot.press("ctrl+p")
        await pilot.pause()
        await pilot.press(*"provider")
        await pilot.pause()

    assert snap_compare(console("incident"), run_before=run_before, terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_what_is_under_way_looks_as_it_did(snap_compare, size: tuple[int, int]) -> None:
    async def run_before(pilot: Pilot) -> None:
        await shown("incident")(pilot)
        session = pilot.app.controller.session
        session.performer.operations += [
            Operation(
                action="pods.restart",
                arguments={},
                began_at=sample.ago(90),
                by="maria",
                phase="ended",
                plan=plan(action="pods.restart", undo=None),
                outcome=Outcome(state="done", answer="restarted"),
                verdict=Verdict(state="no effect", because="17.8 % fail still, as before"),
            ),
            Operation(
                action="provider.disable",
                arguments={"provider": "smsbower"},
                began_at=sample.ago(20),
                by="maria",
                phase="watching",
                plan=plan(),
                watch_until=sample.NOW + timedelta(seconds=42),
                outcome=Outcome(state="done", answer="UPDATE 1: smsbower is disabled"),
            ),
        ]
        pilot.app.controller.paint()
        await pilot.pause()

    assert snap_compare(console("incident"), run_before=run_before, terminal_size=size)


@pytest.mark.parametrize("size", SIZES[:1], ids=lambda size: f"{size[0]}x{size[1]}")
def test_breaking_the_glass_looks_as_it_did(snap_compare, size: tuple[int, int]) -> None:
    nobody = "nobody is here who may approve it"
    run_before = with_screen(lambda app: BreakGlassScreen(plan(), nobody, app.settings))
    assert snap_compare(console("incident"), run_before=run_before, terminal_size=size)
