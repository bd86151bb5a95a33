"""`python -m tests.animation`: make the picture at the head of the README afresh, from a real drill (some minutes)."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from .draw import drawn
from .record import recorded

PICTURE = Path(__file__).with_name("alarm-to-calm.svg")
COLUMNS, ROWS = 100, 30


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.animation", description=__doc__)
    parser.add_argument("--output", type=Path, default=PICTURE, metavar="FILE", help="where to (default: the README's)")
    options = parser.parse_args()
    frames = asyncio.run(recorded([sys.executable, "-m", "nexconsole"], COLUMNS, ROWS))
    options.output.write_text(drawn(frames, COLUMNS), encoding="utf-8")
    print(f"{options.output}: {len(frames)} frames, {options.output.stat().st_size // 1024} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
