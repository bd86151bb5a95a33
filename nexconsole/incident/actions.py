"""The actions of an incident: each intent joined with its outcome, verdict and undo."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..journal import Entry, EntryKind
from ..journal.broken_glass import broken_glass_in
from ..text.redaction import redact
from ..text.sanitize import clean, strip_controls
from .proposals import agent_name, agent_words

NO_ACTION = "an action whose intent is not on record"
LONGEST_COMMAND = 16_000  # characters, as the journal keeps them
SHOWN_TARGETS = 20
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, kw_only=True)
class ActionRecord:
    """One action. `outcome` is done, refused, failed or unknown, also where none was recorded (`ended_at` None).

    `verdict` is "" where there is none. `looked_at`: a person recorded the outcome, so no verdict follows.
    `provider_ids` are the ids of the providers among its targets. `subject` is the first target's name, however the
    operator spelt it. `silences` are the ids of silences that it created, `lasts_s` their duration; `replicas` what a
    deployment was scaled from and to. `proposed_by`: the agent that proposed it, and for whom ("" for none), which `by`
    has confirmed; `proposed_because`: the agent's reason, `confirms` its proposal's id.
    """

    intent: str
    action: str
    arguments: Mapping[str, str]
    at: datetime
    by: str
    effect: str
    command: str
    targets: tuple[str, ...] = ()
    more_targets: int = 0
    subject: str = ""
    provider_ids: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    undo: str = ""
    watch: str = ""
    scenario: str = ""
    step: str = ""
    step_title: str = ""
    outcome: str = "unknown"
    answer: str = ""
    ended_at: datetime | None = None
    verdict: str = ""
    because: str = ""
    verdict_at: datetime | None = None
    undone_at: datetime | None = None
    undone_by: str = ""
    silences: tuple[str, ...] = ()
    lasts_s: float | None = None
    replicas: tuple[int, int] | None = None
    looked_at: bool = False
    proposed_by: str = ""
    proposed_because: str = ""
    confirms: str = ""
    broke_glass: str = ""  # the reason why it was sent without the second person that it needs

    @property
    def name(self) -> str:
        return " ".join((self.action, *self.arguments.values()))

    @property
    def happened(self) -> bool:
        """Whether it is known to have changed something."""
        return self.outcome == "done" or (self.outcome == "unknown" and self.verdict == "worked")

    @property
    def unknown(self) -> bool:
        """Whether its outcome is still unknown."""
        return self.outcome == "unknown" and self.verdict in ("", "unknown") and self.undone_at is None

    @property
    def unjudged(self) -> bool:
        """Whether its console ended before the verdict, and nobody has given one since."""
        return self.outcome == "done" and not self.verdict and not self.looked_at and self.undone_at is None


def actions_in(entries: Iterable[Entry]) -> tuple[ActionRecord, ...]:
    """Every intent in these entries (in merge's order), in whatever order its outcome and verdict come."""
    entries = tuple(entries)
    after: dict[tuple[str, str], list[Entry]] = {}
    proposed: dict[str, Entry] = {}
    for entry in entries:
        if entry.kind == EntryKind.PROPOSED and entry.data.get("needs") == "confirmation":
            proposed[entry.id] = entry
        if entry.kind in (EntryKind.OUTCOME, EntryKind.VERDICT, EntryKind.UNDO):
            after.setdefault((str(entry.data.get("intent")), entry.kind), []).append(entry)
    reasons = {glass.id: glass.reason for glass in broken_glass_in(entries)}
    return tuple(_taken(entry, after, proposed, reasons) for entry in entries if entry.kind == EntryKind.INTENT)


def _proposer(intent: Entry, proposed: Mapping[str, Entry]) -> tuple[str, str]:
    """Which agent proposed it, and why: by its own entry, else as the intent says; "" for none."""
    if not intent.data.get("confirms"):
        return "", ""
    if (entry := proposed.get(str(intent.data["confirms"]))) is not None:
        return agent_words(agent_name(entry.data.get("agent")), entry.writer), _text(entry.data.get("reason"))
    return _text(intent.data.get("proposed_by"), 200), _text(intent.data.get("proposed_because"))


def _taken(
    intent: Entry,
    after: Mapping[tuple[str, str], list[Entry]],
    proposed: Mapping[str, Entry],
    reasons: Mapping[str, str],
) -> ActionRecord:
    plan = _table(intent.data.get("plan"))
    outcomes = after.get((intent.id, EntryKind.OUTCOME), [])
    verdicts = after.get((intent.id, EntryKind.VERDICT), [])
    undone = next(iter(after.get((intent.id, EntryKind.UNDO), [])), None)
    # A person who looked, or the console itself, may have found out later: the last that knows is right.
    outcome = next(
        (outcome for outcome in reversed(outcomes) if _state(outcome) != "unknown"), outcomes[-1] if outcomes else None
    )
    verdict = verdicts[-1] if verdicts else None
    said = _table(outcome.data.get("outcome")) if outcome else {}
    judged = _table(verdict.data.get("verdict")) if verdict else {}
    proposed_by, proposed_because = _proposer(intent, proposed)
    return ActionRecord(
        proposed_by=proposed_by,
        proposed_because=proposed_because,
        confirms=_text(intent.data.get("confirms"), 40),
        intent=intent.id,
        at=intent.at.astimezone(UTC),
        by=str(intent.writer),
        scenario=_text(intent.data.get("scenario"), 200),
        step=_text(intent.data.get("step"), 200),
        step_title=_text(intent.data.get("title"), 200),
        **_planned(plan),
        outcome=_state(outcome) if outcome else "unknown",
        answer=_text(said.get("answer")) if outcome else "no outcome is on record",
        ended_at=outcome.at.astimezone(UTC) if outcome else None,
        looked_at=outcome is not None and outcome.writer != intent.writer,
        verdict=_text(judged.get("state"), 20),
        because=_text(judged.get("because")),
        verdict_at=verdict.at.astimezone(UTC) if verdict else None,
        undone_at=undone.at.astimezone(UTC) if undone else None,
        undone_by=str(undone.writer) if undone else "",
        broke_glass=reasons.get(str(intent.data.get("broke_glass")), ""),
        silences=tuple(
            _text(table.get("id"), 80) for table in _tables(said.get("touched")) if table.get("kind") == "silence"
        ),
    )


def _planned(plan: Mapping[str, Any]) -> dict[str, Any]:
    targets = [table for table in _tables(plan.get("targets")) if table.get("chosen", True)]
    lasts = next((target["lasts_s"] for target in targets if isinstance(target.get("lasts_s"), int | float)), None)
    shown = [
        " ".join(filter(None, (_text(target.get("kind"), 80), _text(target.get("name") or target.get("id"), 200))))
        for target in targets[:SHOWN_TARGETS]
    ]
    first = targets[0] if targets else {}
    given = {_text(k, 80): _text(v, 200) for k, v in sorted(_table(plan.get("arguments")).items())}
    return {
        "action": _text(plan.get("action"), 100) or "an action",
        "arguments": given,
        "subject": _text(first.get("name") or first.get("id"), 200) or next(iter(given.values()), ""),
        "effect": _text(plan.get("effect"), 2_000),
        "command": _command(plan.get("command")),
        "targets": tuple(shown),
        "provider_ids": tuple(
            str(target.get("id"))
            for target in targets[:SHOWN_TARGETS]
            if target.get("kind") == "provider" and _ID.fullmatch(str(target.get("id")))
        ),
        "more_targets": max(0, len(targets) - SHOWN_TARGETS),
        "warnings": tuple(
            _text(guard.get("reason")) for guard in _tables(plan.get("guards")) if guard.get("level") == "warn"
        ),
        "undo": _command(_table(plan.get("undo")).get("command")),
        "watch": _text(plan.get("watch")),
        "lasts_s": lasts,
        "replicas": _replicas(first),
    }


def _replicas(target: Mapping[str, Any]) -> tuple[int, int] | None:
    before, after = target.get("replicas"), target.get("to")
    if target.get("kind") != "deployment" or isinstance(before, bool) or isinstance(after, bool):
        return None
    return (before, after) if isinstance(before, int) and isinstance(after, int) else None


def _state(outcome: Entry) -> str:
    state = _table(outcome.data.get("outcome")).get("state")
    return state if state in ("done", "refused", "failed") else "unknown"


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _tables(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _text(value: Any, limit: int = 500) -> str:
    return clean(value, limit) if value not in (None, "") else ""


def _command(value: Any) -> str:
    """Keeps line breaks, as a command is copied. Shortening is marked, and happens after credentials are removed."""
    raw = str(value or "")
    text = redact(strip_controls(raw[: 4 * LONGEST_COMMAND])).strip()
    cut = len(text) > LONGEST_COMMAND or len(raw) > 4 * LONGEST_COMMAND
    return f"{text[:LONGEST_COMMAND]}\n# … there was more" if cut else text
