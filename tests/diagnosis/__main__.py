"""`python -m tests.diagnosis [SCENARIO ...]`: which cause the console names for each drill, and how soon.

Each scenario is staged with several seeds, headless, some seconds after its onset; its past is computed, not waited
for. About half a minute a play; exit code 1 where a goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections.abc import Sequence
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from nexconsole.drill.scenarios import SCENARIOS

from . import drawn, kept
from .play import LIVE_S, judged, play
from .scoring import Play, Tally, tally
from .table import lines

OFFSETS = (10.0, 25.0, 60.0, 150.0)
PLAYS_A_PROCESS = 8
FIRST, TOP_THREE, WRONG, MEDIAN_S, HELD_BACK = 0.90, 0.97, 0.01, 30.0, 0.05


def met(known: Tally, held_back: Tally) -> bool:
    """Whether every goal is met, by the known scenarios, and within five points by those that were held back."""
    if known.first is None or known.top_three is None or known.wrong is None:
        return held_back.first is not None and held_back.first >= FIRST - HELD_BACK
    good = known.first >= FIRST and known.top_three >= TOP_THREE and known.wrong <= WRONG
    soon = known.median_s is None or known.median_s <= MEDIAN_S
    return good and soon and (held_back.first is None or held_back.first >= known.first - HELD_BACK)


def _again(folder: str, names: Sequence[str]) -> list[Play]:
    kept_plays = [(name, seed, seen) for name, seed, seen in kept.plays(Path(folder)) if _wanted(name, names)]
    return [judged(drawn.named(name, seed), seed, seen) for name, seed, seen in kept_plays]


def _wanted(name: str, names: Sequence[str]) -> bool:
    return name in names or name.startswith(drawn.NAME)


def _played(options: argparse.Namespace, names: Sequence[str]) -> list[Play]:
    offsets = tuple(float(each) for each in options.offsets.split(","))
    work = [(name, seed) for name in names for seed in range(options.seed, options.seed + options.seeds)]
    if options.drawn:
        work = [(f"{drawn.NAME}{seed}", seed) for seed in range(options.seed, options.seed + options.drawn)]
    random.Random(1).shuffle(work)  # so that a run that is stopped has seen something of each
    results: list[Play] = []
    with get_context("spawn").Pool(options.jobs, maxtasksperchild=PLAYS_A_PROCESS) as pool:
        plays = partial(play, offsets=offsets, live_s=options.live, keep=options.keep)
        for result in pool.imap_unordered(plays, work):
            results.append(result)
            print(_sentence(result, len(results), len(work)), file=sys.stderr, flush=True)
    return results


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.diagnosis", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="which ones (none: all)")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="how many seeds each (default 3)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="the first of them (default 1)")
    parser.add_argument("--offsets", default=",".join(f"{each:g}" for each in OFFSETS), help="seconds after the onset")
    parser.add_argument("--live", type=float, default=LIVE_S, metavar="SECONDS", help="how long a world is read")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) - 1), help="plays at once")
    parser.add_argument("--known", action="store_true", help="without the scenarios that are held back")
    parser.add_argument("--drawn", type=int, metavar="N", help="instead: so many incidents put together by chance")
    parser.add_argument("--keep", metavar="FOLDER", default="", help="keep what was seen")
    parser.add_argument("--again", metavar="FOLDER", help="no worlds: try the causes of now on what was kept there")
    parser.add_argument("--json", action="store_true", help="print every play as JSON")
    options = parser.parse_args()
    if unknown := {*options.scenarios} - {*SCENARIOS}:
        parser.error(f"no scenario {', '.join(sorted(unknown))}: there are {', '.join(SCENARIOS)}")
    names = [each for each in SCENARIOS if not options.scenarios or each in options.scenarios]
    names = [each for each in names if not (options.known and SCENARIOS[each].held_back)]
    results = _again(options.again, names) if options.again else _played(options, names)
    if options.json:
        print(json.dumps([play.as_dict() for play in results], indent=2))
    else:
        print(*lines(results), sep="\n")
    known, held_back = (tally(play for play in results if play.held_back is held) for held in (False, True))
    return 0 if met(known, held_back) else 1


def _sentence(play: Play, done: int, all_of_them: int) -> str:
    said = play.error or (", ".join(play.last.named) or f"nothing named; first {', '.join(play.last.ranked[:3])}")
    verdict = "right" if play.first else "abstained" if play.abstained else "WRONG"
    after = "" if play.seconds is None else f" after {play.seconds:.0f} s"
    wrong = f"; on the way: {', '.join(play.wrong)}" if play.wrong else ""
    return f"{done}/{all_of_them} {play.scenario} seed {play.seed}: {verdict}{after}: {said}{wrong}"


if __name__ == "__main__":
    sys.exit(main())
