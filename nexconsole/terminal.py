"""Checks before drawing whether the terminal can show the console. Imports nothing slow."""

from __future__ import annotations

import os
from collections.abc import Mapping

LEAST_COLUMNS, LEAST_LINES = 20, 5
NO_SCREENS = frozenset(
    {"", "dumb", "unknown", "network", "dialup", "emacs"}
)  # names that say: words, one after another
# These place the cursor, also where no terminfo entry says so: a bastion seldom knows the newest terminals.
KNOWN = tuple(
    """
    xterm screen tmux rxvt linux vt1 vt2 vt3 vt4 vt5 alacritty kitty foot wezterm ghostty konsole gnome putty st-
    ansi cygwin eterm mlterm iterm contour nsterm aixterm dtterm teraterm mintty vte
    """.split()
)

# Fonts of 256 characters, and terminals from before Unicode.
CONSOLE_FONTS = ("linux", "screen.linux", "tmux.linux", "cons25", "ansi", "cygwin", "pc3")
OLD = ("vt1", "vt2", "vt3", "vt4", "vt5", "aixterm", "dtterm", "sun", "wyse")


def glyph_set(wanted: str, environment: Mapping[str, str] = os.environ) -> str:
    """full, console or ascii (widgets/glyphs.py): the one that is set, or what the environment says of the terminal.

    A locale that names another charset than UTF-8 has none of the glyphs; no locale at all says nothing.
    """
    if wanted != "auto":
        return wanted
    name = environment.get("TERM", "").lower()
    locale = next((value for key in ("LC_ALL", "LC_CTYPE", "LANG") if (value := environment.get(key))), "")
    if locale and "utf8" not in locale.lower().replace("-", ""):
        return "ascii"
    if name.startswith(OLD):
        return "ascii"
    return "console" if name.split("-")[0] in CONSOLE_FONTS else "full"


def may_move(wanted: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether things move on screen: as it is set, else unless each frame goes over SSH."""
    if wanted == "auto":
        return not (environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"))
    return wanted == "on"


def why_not(environment: Mapping[str, str] = os.environ) -> str:
    """One sentence why the console can't be shown on the standard streams; "" where it can."""
    if not (os.isatty(0) and os.isatty(1)):
        return "the console needs a terminal (ssh -t gives one); `nexconsole status` needs none"
    name = environment.get("TERM", "")
    if not _places_the_cursor(name):
        said = f"TERM={name}" if name else "TERM is not set"
        return (
            f"{said}: the console needs a terminal that can place the cursor. If yours can, set its name,"
            " such as TERM=xterm-256color; `nexconsole status` needs none"
        )
    columns, lines = os.get_terminal_size(1)
    if 0 < columns < LEAST_COLUMNS or 0 < lines < LEAST_LINES:  # 0: it does not say
        return (
            f"this terminal has {columns} by {lines} cells, and the console needs {LEAST_COLUMNS} by {LEAST_LINES}"
            " at least: make it larger; `nexconsole status` needs none"
        )
    return ""


def attended() -> bool:
    """Whether somebody can read and type here: the input is a terminal, and so is the output or the errors' stream. A
    program that runs commands inherits a terminal's input at times, but it keeps what they print for itself.
    """
    return os.isatty(0) and (os.isatty(1) or os.isatty(2))


def _places_the_cursor(name: str) -> bool:
    """By its name, or by its entry in terminfo; a name that nothing is known of is believed."""
    name = name.lower()
    if name in NO_SCREENS:
        return False
    if name.startswith(KNOWN):
        return True
    try:
        import curses
    except ImportError:
        return True
    try:
        curses.setupterm(name, 1)
    except curses.error as error:
        return "could not find" in str(error)  # else it is found, and prints on paper
    return bool(curses.tigetstr("cup"))
