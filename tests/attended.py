"""`python attended.py WORDS...`: nexconsole in a process that takes it that a person has its terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from nexconsole import terminal
from nexconsole.__main__ import main

COMMAND = (sys.executable, str(Path(__file__)))

if __name__ == "__main__":
    terminal.attended = lambda: True
    main()
