"""What makes a terminal ring, or show a notice of the desktop, as the sequences that are written to it."""

from __future__ import annotations

from collections.abc import Mapping

from .sanitize import clean

BEL = "\x07"
LONGEST = 200  # characters of a notice
SILENT = frozenset({"", "dumb", "unknown", "linux", "cons25", "vt52", "emacs"})  # they print what they do not know
WITH_777 = ("foot", "rxvt", "contour", "ghostty")  # which know OSC 777, with a title and a text


def sequences(title: str, text: str, *, bell: bool, desktop: str, environment: Mapping[str, str]) -> str:
    """What to write for a bell and a notice; "" for a terminal that takes neither. `desktop`: auto, osc9, osc777, both
    or off. Within tmux and screen a notice is handed through to the terminal outside (tmux: allow-passthrough)."""
    name = environment.get("TERM", "").lower()
    if name in SILENT:
        return BEL if bell and name == "linux" else ""
    return (BEL if bell else "") + "".join(
        _outside(sequence, name, environment) for sequence in _notices(title, text, _kind(desktop, name, environment))
    )


def _kind(desktop: str, name: str, environment: Mapping[str, str]) -> str:
    if desktop != "auto":
        return desktop
    return "osc777" if name.startswith(WITH_777) or environment.get("VTE_VERSION") else "osc9"


def _notices(title: str, text: str, kind: str) -> list[str]:
    title, text = clean(title, LONGEST).replace(";", ","), clean(text, LONGEST).replace(";", ",")
    osc9 = f"\x1b]9;{title}: {text}{BEL}"
    osc777 = f"\x1b]777;notify;{title};{text}{BEL}"
    return {"osc9": [osc9], "osc777": [osc777], "both": [osc9, osc777]}.get(kind, [])


def _outside(sequence: str, name: str, environment: Mapping[str, str]) -> str:
    """As tmux and screen hand it through to the terminal that they run in."""
    if environment.get("TMUX"):
        doubled = sequence.replace("\x1b", "\x1b\x1b")
        return f"\x1bPtmux;{doubled}\x1b\\"
    return f"\x1bP{sequence}\x1b\\" if name.startswith("screen") else sequence
