"""An incident's entries as consoles would have written them, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from nexconsole.journal import Entry, EntryKind, Writer
from nexconsole.journal.entries import make

START = datetime(2026, 11, 23, 13, 42, tzinfo=UTC)
MARIA = Writer("maria", "bastion", 10, START)
PIET = Writer("piet", "laptop", 20, START)


class IncidentStory:
    """Entries a minute apart, as consoles would have written them."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.minute = 0

    def tell(self, kind: str, data: Mapping[str, Any], writer: Writer = MARIA) -> str:
        at = START + timedelta(minutes=self.minute)
        self.minute += 1
        number = sum(one.writer == writer for one in self.entries) + 1
        entry = make(at=at, writer=writer, seq=number, prev="", after="", kind=kind, data=dict(data))
        self.entries.append(entry)
        return entry.id

    def act(self, action: str, target: str, writer: Writer = MARIA, **plan: Any) -> str:
        given = {"action": action, "arguments": {"target": target}, "command": f"do {target}", **plan}
        return self.tell(EntryKind.INTENT, {"operator": writer.operator, "plan": given}, writer)

    def end(self, intent: str, state: str = "done", writer: Writer = MARIA, **outcome: Any) -> None:
        self.tell(EntryKind.OUTCOME, {"intent": intent, "outcome": {"state": state, "answer": "so", **outcome}}, writer)

    def judge(self, intent: str, state: str, writer: Writer = MARIA) -> None:
        self.tell(EntryKind.VERDICT, {"intent": intent, "verdict": {"state": state, "because": "31 % -> 4 %"}}, writer)


def whole() -> IncidentStory:
    """An incident with something of everything; it ends calm, with smsbower disabled."""
    story = IncidentStory()
    story.tell(EntryKind.OPENED, {"title": "smsbower fails"})
    story.tell(EntryKind.SEVERITY, {"level": "SEV-2", "because": ["17.8 % of purchases fail"]}, PIET)
    story.tell(EntryKind.SEVERITY, {"level": "SEV-1", "because": ["31 % of purchases fail"]})
    story.tell(EntryKind.STEP, {"scenario": "Provider", "state": "begun"}, PIET)
    story.tell(EntryKind.STEP, {"scenario": "Provider", "step": "look", "state": "done", "answer": "smsbower"}, PIET)
    story.tell(EntryKind.STEP, {"scenario": "Provider", "step": "call", "state": "skipped", "reason": "no phone"})
    gone = story.act("provider.disable", "smsbower")
    story.end(gone)
    story.judge(gone, "worked")
    lost = story.act("pods.restart", "nexnum-app", PIET, watch="the pods are new")
    story.tell("presence", {"here": True}, PIET)
    story.tell(EntryKind.NOTE, {"text": "they answer the phone"}, PIET)
    story.tell(EntryKind.SEVERITY, {"level": "none", "because": []})
    assert lost
    return story


CUSTOMER = {
    "phone": "+31 6 12345678",
    "digits": "79001234567",
    "user": "3f0c0c1e-6a35-4b0a-9a58-6d7a1c1d2e3f",
    "mail": "anna.smith@example.com",
    "address": "203.0.113.77",
    "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl",
    "name": "Anna Q. Smithson",
}


def customers() -> IncidentStory:
    """An incident in whose every text a customer stands."""
    story = IncidentStory()
    said = " ".join(value for name, value in CUSTOMER.items() if name != "name")
    statement = f"UPDATE wallets SET reserved = 0 WHERE owner = '{CUSTOMER['name']}'"
    story.tell(EntryKind.OPENED, {"title": f"{said} can't buy"})
    story.tell(EntryKind.SEVERITY, {"level": "SEV-1", "because": [f"{said} fails"]})
    story.tell(EntryKind.STEP, {"scenario": "Provider", "state": "begun"})
    story.tell(
        EntryKind.STEP, {"scenario": "Provider", "step": "look", "state": "done", "answer": f"{said} {statement}"}
    )
    key = f"lock:purchase:atomic:{CUSTOMER['user']}"
    plan = {
        "effect": f"Deletes {said}",
        "targets": [{"kind": "lock", "id": key}],
        "watch": said,
        "undo": {"action": "x", "command": f"redis-cli SET {key} 1"},
        "guards": [{"name": "g", "level": "warn", "reason": said}],
    }
    intent = story.act("locks.flush", CUSTOMER["phone"], command=f"redis-cli UNLINK '{key}' # {said}", **plan)
    story.end(intent, answer=f"{said}: {statement}")
    story.judge(intent, "worked")
    story.act("query.kill", "4312", watch=f"{said} {statement}")
    story.tell(EntryKind.NOTE, {"text": f"called {said}"})
    story.tell(EntryKind.SEEN, {"subject": "alert", "state": "firing", "text": said})
    return story
