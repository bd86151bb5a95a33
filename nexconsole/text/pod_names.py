"""Names of pods, short enough for a line that is read at a glance, and what a pod is called."""

from __future__ import annotations

import re

_SAFE = "bcdfghjklmnpqrstvwxz2456789"  # of these Kubernetes makes the random parts of a name
_REPLICA = re.compile(rf"\b[a-z0-9][-a-z0-9]*-[{_SAFE}]{{6,10}}-([{_SAFE}]{{5}})\b")

_POD = re.compile(r"(?<![{\w.-])([Pp])od(s?)(?![\w}-]|\.\w)")


def in_units(text: str, unit: str) -> str:
    """The text with "pod" as people call it there: a "container" in Docker. What stands in braces stays."""
    if unit != "container":
        return text
    return _POD.sub(lambda found: f"{'C' if found[1] == 'P' else 'c'}ontainer{found[2]}", text)


def brief_pods(text: str) -> str:
    """`pod nexnum-app-7w76kdhcjq-q6k4s` -> `pod …q6k4s`: of a Deployment's pod only what tells it from the others."""
    return _REPLICA.sub(r"…\1", text) if "-" in text else text
