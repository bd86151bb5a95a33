"""Names of pods, short enough for a line that is read at a glance."""

from __future__ import annotations

import re

_SAFE = "bcdfghjklmnpqrstvwxz2456789"  # of these Kubernetes makes the random parts of a name
_REPLICA = re.compile(rf"\b[a-z0-9][-a-z0-9]*-[{_SAFE}]{{6,10}}-([{_SAFE}]{{5}})\b")


def brief_pods(text: str) -> str:
    """`pod nexnum-app-7w76kdhcjq-q6k4s` -> `pod …q6k4s`: of a Deployment's pod only what tells it from the others."""
    return _REPLICA.sub(r"…\1", text) if "-" in text else text
