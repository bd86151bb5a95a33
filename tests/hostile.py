"""What somebody who means harm, a later version or a broken disk may put in a journal, for hypothesis."""

from __future__ import annotations

import hashlib
from dataclasses import fields, is_dataclass, replace
from typing import Any

import msgspec
from hypothesis import strategies as st

from nexconsole.journal import EntryKind

IDS = st.sampled_from([f"{n:032x}" for n in range(6)])
TIMES = st.sampled_from(
    [
        "2026-11-23T13:42:00Z",
        "2026-11-23T13:42:00.000001Z",
        "2026-11-23T15:42:00+02:00",
        "2199-12-31T23:59:59Z",
        "2000-01-01T00:00:00Z",
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59-14:00",
        "2026-11-23T13:42:00",
        "yesterday",
        "",
        "2026-11-24T01:00:00Z",
    ]
)
WORDS = st.sampled_from(
    [
        "SEV-1",
        "none",
        "done",
        "unknown",
        "exploded",
        "begun",
        "pending",
        "commander",
        "observer",
        "objection",
        "approval",
        "worked",
        "provider.disable",
        "alert.silence",
        "provider",
        "silence",
        "a/b",
        "",
        "\x00",
        "\x1b[31m",
        "x" * 5000,
        "\u202e",
        "[/b]",
        "maria",
        "piet",
    ]
)
NUMBERS = st.sampled_from([0, 1, -1, 60, 1e300, -1e300, 1e15, 0.1, 1 << 62, 1 << 63, 10**30, -(10**25)])
LEAVES = st.none() | st.booleans() | NUMBERS | WORDS | TIMES | IDS
KEYS = st.sampled_from(
    [
        "title",
        "level",
        "since",
        "because",
        "reason",
        "role",
        "person",
        "subject",
        "state",
        "text",
        "figures",
        "name",
        "scenario",
        "step",
        "plan",
        "until",
        "needs",
        "proposal",
        "intent",
        "outcome",
        "verdict",
        "by",
        "operator",
        "id",
        "targets",
        "arguments",
        "action",
        "touched",
        "lasts_s",
        "guards",
        "undo",
        "taken",
        "kind",
        "chosen",
        "answer",
        "watch",
        "command",
        "effect",
        "late",
        "alone",
        "stuck",
        "level",
    ]
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=10
)
DEEP = st.integers(20, 400).map(lambda depth: _nested(depth))
DATA = st.dictionaries(KEYS, VALUES, max_size=6) | st.builds(lambda deep: {"text": deep, "plan": deep}, DEEP)
KINDS = st.sampled_from([*EntryKind, *EntryKind, "presence", "teleported", ""])
GOOD_TIMES = st.integers(0, 10**6).map(
    lambda second: f"2026-11-{second % 28 + 1:02}T{second % 24:02}:{second % 60:02}:00Z"
)
NAMES, HOSTS = (
    st.sampled_from(["maria", "piet", "x" * 300, "", "\x1b]0;x\x07"]),
    st.sampled_from(["bastion", "laptop", ""]),
)
ACCOUNTS = st.sampled_from(["maria", "root", "", "\x1b[2J"])


def entries_of(times: st.SearchStrategy, pids: list, sequences: list, clocks: list) -> st.SearchStrategy:
    writers = st.fixed_dictionaries(
        {"operator": NAMES, "host": HOSTS, "pid": st.sampled_from(pids), "start": times},
        optional={"account": ACCOUNTS},
    )
    return st.fixed_dictionaries(
        {
            "at": times,
            "writer": writers,
            "seq": st.sampled_from(sequences),
            "prev": st.just(""),
            "after": IDS | st.just(""),
            "kind": KINDS,
            "data": DATA,
        },
        optional={"hlc": st.sampled_from(clocks), "later": VALUES},
    )


WELL_FORMED = entries_of(GOOD_TIMES, [1, 0, 77], [1, 2, (1 << 53) - 1], [0, 1, (1 << 53) - 1])
ENTRIES = WELL_FORMED | WELL_FORMED | entries_of(TIMES, [1, -1, 1 << 40], [1, 0, -5, 1 << 70], [1 << 60, -1, "x"])


def _nested(depth: int) -> Any:
    value: Any = "x"
    for turn in range(depth):
        value = {"plan": value} if turn % 2 else [value]
    return value


def line_of(entry: dict[str, Any], id: str | None = None) -> bytes:
    """The entry's line as a console would have written it, its own id or this one at its front."""
    body = _json(entry)
    own = hashlib.sha256(body).hexdigest()[:32]
    return b'{"id":"' + (id or own).encode() + b'",' + body[1:]


def _json(value: Any) -> bytes:
    """With numbers that no machine's integer holds, which msgspec would not write."""
    import json

    return json.dumps(value, separators=(",", ":")).encode()


LINES = (
    st.builds(line_of, ENTRIES)
    | st.builds(line_of, ENTRIES, IDS)
    | st.binary(max_size=60)
    | st.builds(lambda entry, cut: line_of(entry)[:cut], ENTRIES, st.integers(0, 400))
    | st.sampled_from([b"\x00" * 100, b"[" * 2000, b'{"id":"', b"null", b"\xff\xfe{}", msgspec.json.encode({"id": 3})])
).map(lambda line: line.replace(b"\n", b" "))


def poisoned(value: Any, text: str) -> Any:
    """The same value with every text in it replaced."""
    if isinstance(value, str):
        return text
    if isinstance(value, tuple):
        return tuple(poisoned(one, text) for one in value)
    if isinstance(value, dict):
        return {poisoned(key, text): poisoned(one, text) for key, one in value.items()}
    if is_dataclass(value):
        return replace(value, **{f.name: poisoned(getattr(value, f.name), text) for f in fields(value) if f.init})
    return value
