"""What acting looks like: dialogs, palette, scenario and strip at three sizes, time standing still."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sample_readings as sample
from test_snapshots import SIZES, console, shown
from textual.pilot import Pilot

from nexconsole.actions.plan import Confirm as Confirmation
from nexconsole.actions.plan import Guard, Outcome, Plan, Target, Undo, Verdict
from nexconsole.journal import OUTSIDE, Entries, Kind
from nexconsole.journal.entries import Writer, make
from nexconsole.operations import Operation
from nexconsole.operations.logbook import _Looked
from nexconsole.screens.confirm import Confirm, Unrecorded
from nexconsole.screens.journal import Journal

GUARDS = (
    Guard(name="healthy providers left", level="ok", reason="4 others are active and nothing speaks against them"),
    Guard(name="live numbers", level="warn", reason="12 live numbers depend on it, and keep their codes for 20 min"),
)
ROLE = Guard(name="role may write", level="block", reason="role nexnum_read may only read providers: this console"
             " can't act on it before GRANT UPDATE (is_active, updated_at) ON providers TO nexnum_read")  # fmt: skip
PROVIDER = Target(
    kind="provider",
    id="3f0c0c1e-6a35-4b0a-9a58-6d7a1c1d2e3f",
    identity={"name": "smsbower", "active": True},
    shown={"attempts": 120, "failures": 66, "live_numbers": 12},
)
LOCKS = tuple(
    Target(kind="lock", id=f"lock:purchase:atomic:user-{n}", identity={"value": f"v{n}"}, chosen=n % 3 != 2,
           shown={"age_s": 600 + n, "ttl_s": None if n % 2 else 30, "owner": "nexnum-app-a"})
    for n in range(40)
)  # fmt: skip


def plan(**fields: Any) -> Plan:
    given = {
        "action": "provider.disable",
        "arguments": {"provider": "smsbower"},
        "targets": (PROVIDER,),
        "effect": "Disables smsbower: it has 30 % of the traffic (120 of 400 attempts, 66 failed), and 12 live numbers;"
        " within 60 s, when the pods' caches have expired",
        "command": """psql -X "$DATABASE_URL" -c 'UPDATE providers SET is_active = false, updated_at = (now() AT TIME"""
        """ ZONE '"'"'UTC'"'"') WHERE id = '"'"'3f0c0c1e-6a35-4b0a-9a58-6d7a1c1d2e3f'"'"' AND is_active'""",
        "guards": GUARDS,
        "confirm": Confirmation(kind="letter", text="d"),
        "undo": Undo(
            action="provider.enable", arguments={"provider": "smsbower"}, command='psql -X "$DATABASE_URL" ...'
        ),
        "watch": "smsbower's attempts fall to none within 60 s",
        "deadline_s": 75.0,
        "taken_at": sample.NOW,
        "expires_at": sample.NOW + timedelta(seconds=60),
    }
    return Plan(**{**given, **fields})


AGAIN = "the world changed since the preview (changed: smsbower): confirm it as it is now"
DIALOGS = {
    "letter": (plan(), None),
    "typed": (plan(confirm=Confirmation(kind="type", text="smsbower")), AGAIN),
    "blocked": (plan(guards=(*GUARDS, ROLE)), None),
    "many": (plan(action="locks.flush", arguments={"family": "purchase"}, targets=LOCKS,
                  effect="Deletes 27 locks of the family purchase that have no end or are older than 5 min"), None),
}  # fmt: skip


def with_screen(make_screen: Callable[[Any], Any]) -> Callable[[Pilot], Any]:
    async def run_before(pilot: Pilot) -> None:
        await shown("incident")(pilot)
        pilot.app.push_screen(make_screen(pilot.app))
        await pilot.pause(0.6)
        pilot.app.screen.paint()
        await pilot.pause()

    return run_before


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("dialog", DIALOGS)
def test_the_dialog_looks_as_it_did(snap_compare, dialog: str, size: tuple[int, int]) -> None:
    run_before = with_screen(lambda app: Confirm(*DIALOGS[dialog], app.settings, lambda: sample.NOW))
    assert snap_compare(console("incident"), run_before=run_before, terminal_size=size)


@pytest.mark.parametrize("theme", ["light", "high-contrast", "colour-blind"])
def test_the_dialog_can_be_read_in_every_theme(snap_compare, theme: str) -> None:
    run_before = with_screen(lambda app: Confirm(*DIALOGS["blocked"], app.settings, lambda: sample.NOW))
    assert snap_compare(console("incident", theme), run_before=run_before, terminal_size=(120, 40))


def test_acting_without_a_record_looks_as_it_did(snap_compare) -> None:
    why = "/var/lib/nexconsole/outside-incidents.jsonl: can't be written: the disk is full: free some space"
    run_before = with_screen(lambda app: Unrecorded(why))
    assert snap_compare(console("incident"), run_before=run_before, terminal_size=(120, 40))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_scenario_looks_as_it_did(snap_compare, size: tuple[int, int]) -> None:
    async def run_before(pilot: Pilot) -> None:
        await shown("incident")(pilot)
        desk = pilot.app.desk
        await desk.load_library()
        desk._find_fits()
        remember(desk.operations, story())
        await desk._open_by_id("high-purchase-failure-rate")
        await pilot.pause(0.3)
        desk.console.say("")
        desk.paint()
        await pilot.pause()

    assert snap_compare(console("incident"), run_before=run_before, terminal_size=size)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_the_journal_looks_as_it_did(snap_compare, size: tuple[int, int]) -> None:
    def open_it(app: Any) -> Journal:
        remember(app.desk.operations, story())
        return Journal(app.desk.operations)

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
        operations = pilot.app.desk.operations
        operations._here += [
            Operation(action="pods.restart", arguments={}, began_at=sample.ago(90), by="maria", phase="ended",
                      plan=plan(action="pods.restart", undo=None), outcome=Outcome(state="done", answer="restarted"),
                      verdict=Verdict(state="no effect", because="17.8 % fail still, as before")),
            Operation(action="provider.disable", arguments={"provider": "smsbower"}, began_at=sample.ago(20),
                      by="maria", phase="watching", plan=plan(), watch_until=sample.NOW + timedelta(seconds=42),
                      outcome=Outcome(state="done", answer="UPDATE 1: smsbower is disabled")),
        ]  # fmt: skip
        pilot.app.desk.paint()
        await pilot.pause()

    assert snap_compare(console("incident"), run_before=run_before, terminal_size=size)


def story() -> list[Any]:
    """Entries of one console, a step and an action with its verdict among them."""
    scenario = "high-purchase-failure-rate"
    told: list[tuple[Kind, dict[str, Any]]] = [
        (Kind.SEVERITY, {"level": "SEV-1", "because": ["17.8 % of purchases fail, 93 % of them at smsbower"]}),
        (Kind.STEP, {"scenario": scenario, "state": "begun"}),
        (Kind.STEP, {"scenario": scenario, "step": f"{scenario}/transactions.rate", "state": "done",
                     "answer": "17.8 %: 71 of 400 purchases failed in 300 s"}),
        (Kind.STEP, {"scenario": scenario, "step": f"{scenario}/transactions.scope", "state": "skipped",
                     "reason": "everybody sees it"}),
        (Kind.NOTE, {"text": "their status page says nothing [red]yet[/]"}),
        (Kind.INTENT, {"operator": "maria", "plan": plan().as_dict()}),
    ]  # fmt: skip
    writer = Writer("maria", "bastion", 4242, sample.ago(600))
    entries = []
    for n, (kind, data) in enumerate(told):
        entries.append(make(at=sample.ago(60 - n), writer=writer, seq=n + 1, prev="", after="", kind=kind, data=data))
    outcome = {"intent": entries[-1].id, "outcome": {"state": "done", "answer": "UPDATE 1: smsbower is disabled"}}
    verdict = {"intent": entries[-1].id, "verdict": {"state": "worked", "because": "no attempt for 14 s"}}
    for n, (kind, data) in enumerate(((Kind.OUTCOME, outcome), (Kind.VERDICT, verdict)), len(told)):
        entries.append(make(at=sample.ago(60 - n), writer=writer, seq=n + 1, prev="", after="", kind=kind, data=data))
    return entries


def remember(operations: Any, entries: list[Any]) -> None:
    """As if they had been read from the journal's file, whose place is not shown."""
    operations.logbook._take([_Looked(OUTSIDE, Entries(entries=tuple(entries)))])
    operations._recorded()
    operations.journal.file = Path("/shared/outside-incidents.jsonl")
