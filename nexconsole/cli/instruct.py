"""`nexconsole drill inject|clear|speed|running`: the instructor's second terminal."""

from __future__ import annotations

import json
import re
import sys
from argparse import ArgumentTypeError, Namespace
from typing import Any

from ..drill import HEADINGS, running
from ..drill.fault_kinds import KINDS, kind_named
from ..errors import DrillError
from ..text.sanitize import clean
from ..text.units import duration
from .folding import for_terminal
from .parsing import HelpForm, Parser, add_verbs

VERBS = (
    ("inject", "let something go wrong"),
    ("clear", "take a fault back, or all of them"),
    ("speed", "how fast it unfolds"),
    ("running", "the drills that run on this account"),
)
_VERBS = """\
from a second terminal, while a drill runs:
  nexconsole drill inject FAULT... let something else go wrong, or several things (--list names the faults)
  nexconsole drill clear [FAULT]   take it back, or everything
  nexconsole drill speed N         how fast it unfolds, 0.25 to 10
  nexconsole drill running         the drills that run, with their faults

for a second console on the same drill:
  nexconsole drill SCENARIO --env-file world.env
                                   in the first terminal
  set -a; . ./world.env; set +a; nexconsole watch --lines
                                   in the second; or nexconsole, status, psql "$DATABASE_URL"
"""
_SEED = """\
what a seed promises:
  The same seed gives the same past, and in the present the same customers
  with the same wishes in the same order, as far as the same providers are
  on sale, and for each provider the same answers in the order in which it
  is asked.
  Each fault draws from a generator of its own, made of its seed, its name
  and its provider: who is hit is the same whenever it is injected. To have
  the same incident again, inject the same faults at the same drill times
  (--at).
  What a seed can't promise is which of two requests in the same instant a
  server answers first, and how long real servers take.
"""
EPILOG = f"{_VERBS}\n{_SEED}"
_SPEED = """\
what it scales: how many customers come, how often the background loops run
(outbox, reconciler, sync, refreshes, top-ups), and drill time: when a fault
begins and ends, and the rhythm of one that comes and goes. What stamps rows
and log lines stays the real clock, and so do time-outs, locks' ends,
breakers' cool-downs, an order's five minutes, Prometheus and Kubernetes:
they are what the console looks at.
"""
SECOND = "a second console on a drill: start the drill with --env-file FILE (`nexconsole drill --help` says how)"
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def add_arguments(parser: Parser) -> None:
    verbs = add_verbs(parser, VERBS)
    for verb, _ in VERBS:
        verbs[verb].add_argument("--json", action="store_true", help="print it as JSON")
        meaning = "which drill, where several run (see drill running)"
        verbs[verb].add_argument("--drill", type=int, metavar="PID", help=meaning)
    _add_inject_arguments(verbs["inject"])
    verbs["clear"].add_argument("fault", nargs="?", default="", metavar="FAULT", help="which one; none: all of them")
    verbs["clear"].add_argument("--provider", default="", metavar="NAME", help="only at this provider")
    speed = verbs["speed"]
    speed.epilog, speed.formatter_class = _SPEED, HelpForm
    speed.add_argument("speed", type=float, metavar="N", help="0.25 to 10; 1 is as it would be")


def _add_inject_arguments(inject: Parser) -> None:
    inject.epilog, inject.formatter_class = _SEED, HelpForm
    inject.add_argument("fault", nargs="*", metavar="FAULT", help="what goes wrong (see --list); several: all of them")
    inject.add_argument("--list", action="store_true", help="name the faults")
    inject.add_argument("--provider", metavar="NAME", help="whose upstream it is, of faults that have one")
    inject.add_argument("--for", dest="for_s", type=seconds, metavar="5m", help="for so long, in drill time")
    inject.add_argument("--at", type=moment, metavar="WHEN", help="drill time at which it begins; +90s: from now on")
    inject.add_argument("--seed", type=int, metavar="N", help="this fault's own seed (else the drill's)")


def seconds(text: str) -> float:
    """`90`, `90s`, `5m`, `1h` in seconds. Raises ArgumentTypeError."""
    match = re.fullmatch(r"(\d{1,5}(?:\.\d{1,3})?)(s|m|min|h)?", text)
    if match is None or float(match[1]) * _UNITS[match[2] or ""] > 86_400:
        raise ArgumentTypeError(f"{text!r}: a time reads like 90s, 5m or 1h, a day at most")
    return float(match[1]) * _UNITS[match[2] or ""]


def moment(text: str) -> tuple[str, float]:
    """(`at_s` or `after_s`, seconds). Raises ArgumentTypeError."""
    return ("after_s", seconds(text[1:])) if text.startswith("+") else ("at_s", seconds(text))


def run(options: Namespace) -> int:
    """Run the instructor's command and print the new state; 0. Raises DrillError."""
    if options.verb == "inject" and options.list:
        return _list(options.json)
    if options.verb == "inject" and not options.fault:
        raise DrillError(f"Say which fault: {', '.join(KINDS)}.")
    if options.verb == "running":
        return _running(options)
    drill = running.the_one(options.drill)
    if options.verb == "inject":
        return _inject(options, drill)
    if options.verb == "clear":
        said = running.ask(drill, verb="clear", fault=options.fault, provider=options.provider)
    else:
        said = running.ask(drill, verb="speed", speed=options.speed)
    if options.json:
        print(json.dumps(said, indent=2))
        return 0
    if "cleared" in said:
        print(f"cleared: {', '.join(map(clean, said['cleared']))}")
    print(_line(said))
    return 0


def _inject(options: Namespace, drill: running.RunningDrill) -> int:
    """Inject each fault, in the order given. All are checked before the first begins."""
    kinds = [kind_named(name) for name in options.fault]
    if options.provider and not any(kind.provider for kind in kinds):
        raise DrillError(f"{', '.join(options.fault)} is no provider's fault: leave --provider out.")
    key, value = options.at or ("", 0.0)
    given = {"for_s": options.for_s, "seed": options.seed} | ({key: value} if key else {})
    said: dict[str, Any] = {}
    injected = []
    for kind in kinds:
        provider = options.provider if kind.provider else None
        said = running.ask(drill, verb="inject", fault=kind.name, provider=provider, **given)
        injected.append(said["injected"])
        if not options.json:
            print(f"injected: {_fault(said['injected'])}")
    print(json.dumps({**said, "all_injected": injected}, indent=2) if options.json else _line(said))
    return 0


def _list(as_json: bool) -> int:
    """On a terminal by group; in a pipe one line a fault and nothing else."""
    if as_json:
        print(json.dumps({name: kind.title for name, kind in KINDS.items()}, indent=2))
        return 0
    width = max(map(len, KINDS))
    for group, heading in HEADINGS.items():
        kinds = [kind for kind in KINDS.values() if kind.group == group]
        if kinds and sys.stdout.isatty():
            print(for_terminal(f"\n{heading}:"))
        for kind in kinds:
            print(for_terminal(f"{kind.name:<{width}}  {kind.title}", width + 2))
    return 0


def _running(options: Namespace) -> int:
    drills = running.running()
    if options.drill is not None:
        drills = [running.the_one(options.drill)]
    said = [running.ask(drill, verb="running") for drill in drills]
    if options.json:
        print(json.dumps(said, indent=2))
    elif not said:
        print("no drill runs on this account")
    for one in said if not options.json else ():
        print(for_terminal(_line(one), 2))
        for fault in one["faults"]:
            print(for_terminal(f"  {_fault(fault)}", 4))
    if said and not options.json:
        print(for_terminal(SECOND))
    return 0


def _line(drill: dict[str, Any]) -> str:
    since = clean(drill["since"], 40)[:19].replace("T", " ")
    words = f"drill {drill['pid']}: {clean(drill['scenario'], 60)}, seed {drill['seed']}, speed {drill['speed']:g}"
    return f"{words}, since {since}Z, drill time {duration(drill['drill_s'])}"


def _fault(fault: dict[str, Any]) -> str:
    name = " at ".join(filter(None, (clean(fault["name"], 60), clean(fault["provider"], 60))))
    began, ends = (clean(fault[key] or "", 40)[11:19] for key in ("began_at", "ends_at"))
    when = f"{'begins' if fault['state'] == 'waits' else 'since'} {began}Z" + (f", ends {ends}Z" if ends else "")
    return f"{name}: {clean(fault['state'], 20)}, {when}, seed {fault['seed']}"
