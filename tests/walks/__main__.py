"""`python -m tests.walks [SCENARIO ...]`: each drill brought back to calm by the fewest keys, and their number.

A real drill in a pseudo terminal for each, one after the other: one to eight minutes a scenario.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import sys

from .table import lines
from .walk import WalkResult, walked
from .walks import WALKS


def _chosen(names: list[str], parser: argparse.ArgumentParser) -> list[str]:
    """Scenarios or single walks (`provider-outage:runbook`), in their order; none: all."""
    chosen = [key for key in WALKS if not names or key in names or key.partition(":")[0] in names]
    if unknown := {*names} - {*WALKS, *(key.partition(":")[0] for key in WALKS)}:
        parser.error(f"no walk {', '.join(sorted(unknown))}: there are {', '.join(WALKS)}")
    return chosen


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.walks", description=__doc__)
    parser.add_argument("walks", nargs="*", metavar="SCENARIO", help="which ones (none: all)")
    parser.add_argument("--size", default="120x40", metavar="WxH", help="of the terminal (default 120x40)")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    parser.add_argument("--until", choices=("verdict", "calm"), default="calm", help="how far (default calm)")
    parser.add_argument("--console", default=f"{sys.executable} -m nexconsole", metavar="COMMAND", help="which console")
    options = parser.parse_args()
    columns, _, rows = options.size.partition("x")
    results: list[WalkResult] = []
    for name in _chosen(options.walks, parser):
        walk = walked(name, shlex.split(options.console), int(columns), int(rows), options.until)
        results.append(asyncio.run(walk))
        print(results[-1].sentence, file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps([result.as_dict() for result in results], indent=2))
    else:
        print(*lines(results), sep="\n")
    return 1 if any(result.failed for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
