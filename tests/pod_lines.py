"""Lines of pods' logs, and a follower that is filled by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from nexconsole.sources.asked_log import AskedLog
from nexconsole.sources.pod_log import PodLog


def line(n: int, text: str) -> bytes:
    at = datetime.fromtimestamp(1_800_000_000 + n, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return f"{at} {text}".encode(errors="surrogateescape")


def pods(*names: str) -> Any:
    """What the follower keeps of pods, to be filled by hand."""
    followed = {name: PodLog(name) for name in names}
    logs = SimpleNamespace(
        followed=followed, shown=followed, names=names, pods=len(names), error=None, asked=AskedLog(), noun="pod"
    )
    return SimpleNamespace(logs=logs, noun="pod")
