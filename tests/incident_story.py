"""An incident's entries as consoles would have written them, for tests of what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from nexconsole.journal import Entry, Kind, Writer
from nexconsole.journal.entries import make

START = datetime(2026, 11, 23, 13, 42, tzinfo=UTC)
MARIA = Writer("maria", "bastion", 10, START)
PIET = Writer("piet", "laptop", 20, START)


class Story:
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
        return self.tell(Kind.INTENT, {"operator": writer.operator, "plan": given}, writer)

    def end(self, intent: str, state: str = "done", writer: Writer = MARIA, **outcome: Any) -> None:
        self.tell(Kind.OUTCOME, {"intent": intent, "outcome": {"state": state, "answer": "so", **outcome}}, writer)

    def judge(self, intent: str, state: str, writer: Writer = MARIA) -> None:
        self.tell(Kind.VERDICT, {"intent": intent, "verdict": {"state": state, "because": "31 % -> 4 %"}}, writer)


def whole() -> Story:
    """An incident with something of everything; it ends calm, with smsbower disabled."""
    story = Story()
    story.tell(Kind.OPENED, {"title": "smsbower fails"})
    story.tell(Kind.SEVERITY, {"level": "SEV-2", "because": ["17.8 % of purchases fail"]}, PIET)
    story.tell(Kind.SEVERITY, {"level": "SEV-1", "because": ["31 % of purchases fail"]})
    story.tell(Kind.STEP, {"scenario": "Provider", "state": "begun"}, PIET)
    story.tell(Kind.STEP, {"scenario": "Provider", "step": "look", "state": "done", "answer": "smsbower"}, PIET)
    story.tell(Kind.STEP, {"scenario": "Provider", "step": "call", "state": "skipped", "reason": "no phone"})
    gone = story.act("provider.disable", "smsbower")
    story.end(gone)
    story.judge(gone, "worked")
    lost = story.act("pods.restart", "nexnum-app", PIET, watch="the pods are new")
    story.tell("presence", {"here": True}, PIET)
    story.tell(Kind.NOTE, {"text": "they answer the phone"}, PIET)
    story.tell(Kind.SEVERITY, {"level": "none", "because": []})
    assert lost
    return story
