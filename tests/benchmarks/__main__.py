"""`python -m tests.benchmarks`: every figure with its limit, in one table. Takes about ten minutes; `--quick` two."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator

from . import costs, figures, large, recorded, slow, worlds
from .table import Figure, lines
from .terminal import NeverHappened

Part = Callable[[], Iterator[Figure]]
COSTS = "costs"  # the part that is a table of its own


def parts(quick: bool) -> dict[str, Part]:
    """What is measured, by name."""
    rounds, span_s = (3, 6.0) if quick else (7, 15.0)

    def calm() -> Iterator[Figure]:
        with worlds.calm() as world:
            yield from figures.starts(world, rounds)
            yield from figures.rests(world, 1 if quick else 3, span_s)
            yield from figures.keys_at_rest(world, 26 if quick else 78)
            yield from figures.keys_while_importing(world, 1 if quick else 4)

    def slow_link() -> Iterator[Figure]:
        with worlds.calm() as world:
            yield from figures.screens_at_rest(world, 3.0 if quick else 8.0)
            yield from slow.keys_over_a_slow_link(world)

    return {
        "calm": calm,
        "slow": slow_link,
        "hanging": lambda: figures.keys_while_hanging(20 if quick else 60),
        "log": lambda: figures.log_lines(12 if quick else 40),
        "crowd": lambda: figures.crowd(1 if quick else 3, span_s, 26 if quick else 78, 12 if quick else 40),
        "recording": recorded.recording,
        "flight record": recorded.flight_record,
        "large": lambda: large.queries(large.Sizes(500_000, 100_000, 100_000) if quick else large.Sizes()),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a look, not a judgement")
    parser.add_argument("--only", metavar="PART", action="append", help="one of the parts; may be repeated")
    options = parser.parse_args()
    chosen = parts(options.quick)
    if unknown := set(options.only or ()) - {*chosen, COSTS}:
        parser.error(f"no part {', '.join(unknown)}: there are {', '.join([*chosen, COSTS])}")
    measured: list[Figure] = []
    failed = False
    for name, part in chosen.items():
        if options.only and name not in options.only:
            continue
        try:
            for figure in part():
                measured.append(figure)
                print(f"{name}: {figure.name}", file=sys.stderr, flush=True)
        except NeverHappened as error:
            failed = True
            print(f"{name}: {error}", file=sys.stderr)
    if measured:
        print(*lines(measured), sep="\n")
    if not options.only or COSTS in options.only:
        print("\nwhat it costs the systems that it reads (five providers, three pods, nothing maximized):\n")
        print(*costs.lines(costs.costs(20.0 if options.quick else 60.0)), sep="\n")
    print(f"\n{os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}; times are medians where a reference is given")
    return 1 if failed or any(figure.met is False for figure in measured) else 0


if __name__ == "__main__":
    sys.exit(main())
