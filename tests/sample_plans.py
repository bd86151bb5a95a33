"""A plan with everything in it, and the entries of a console that acted on it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sample_readings as sample

from nexconsole.actions.plan import Confirmation, Guard, Plan, Target, Undo
from nexconsole.journal import EntryKind
from nexconsole.journal.entries import Writer, make

GUARDS = (
    Guard(name="healthy providers left", level="ok", reason="4 others are active and healthy"),
    Guard(name="live numbers", level="warn", reason="12 live numbers depend on it, and keep their codes for 20 min"),
)


PROVIDER = Target(
    kind="provider",
    id="3f0c0c1e-6a35-4b0a-9a58-6d7a1c1d2e3f",
    identity={"name": "smsbower", "active": True},
    shown={"attempts": 120, "failures": 66, "live_numbers": 12},
)


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


def story() -> list[Any]:
    """Entries of one console, a step and an action with its verdict among them."""
    scenario = "high-purchase-failure-rate"
    told: list[tuple[EntryKind, dict[str, Any]]] = [
        (EntryKind.SEVERITY, {"level": "SEV-1", "because": ["17.8 % of purchases fail, 93 % of them at smsbower"]}),
        (EntryKind.STEP, {"scenario": scenario, "state": "begun"}),
        (
            EntryKind.STEP,
            {
                "scenario": scenario,
                "step": f"{scenario}/transactions.rate",
                "state": "done",
                "answer": "17.8 %: 71 of 400 purchases failed in 300 s",
            },
        ),
        (
            EntryKind.STEP,
            {
                "scenario": scenario,
                "step": f"{scenario}/transactions.scope",
                "state": "skipped",
                "reason": "everybody sees it",
            },
        ),
        (EntryKind.NOTE, {"text": "their status page says nothing [red]yet[/]"}),
        (EntryKind.INTENT, {"operator": "maria", "plan": plan().as_dict()}),
    ]
    writer = Writer("maria", "bastion", 4242, sample.ago(600))
    entries = []
    for n, (kind, data) in enumerate(told):
        entries.append(make(at=sample.ago(60 - n), writer=writer, seq=n + 1, prev="", after="", kind=kind, data=data))
    outcome = {"intent": entries[-1].id, "outcome": {"state": "done", "answer": "UPDATE 1: smsbower is disabled"}}
    verdict = {"intent": entries[-1].id, "verdict": {"state": "worked", "because": "no attempt for 14 s"}}
    for n, (kind, data) in enumerate(((EntryKind.OUTCOME, outcome), (EntryKind.VERDICT, verdict)), len(told)):
        entries.append(make(at=sample.ago(60 - n), writer=writer, seq=n + 1, prev="", after="", kind=kind, data=data))
    return entries
