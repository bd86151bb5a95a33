"""`nexconsole notify`: who is told of an incident; with `--test` each is sent a test."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from typing import TYPE_CHECKING

from ..errors import SettingsError
from ..text.suggestions import did_you_mean
from .options import load_for_screens, start_log

if TYPE_CHECKING:
    from .parsing import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("services", metavar="SERVICE", nargs="*", help="with --test: only these, by their names")
    parser.add_argument("--test", action="store_true", help="send a test to each; a pager's page is ended again")
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(options: Namespace) -> int:
    """0 when every service can be reached, or took the test; 1 when one did not."""
    from ..doctor import examination
    from ..notify import doctor
    from ..settings import named

    chosen = named(load_for_screens(options).settings)
    start_log(chosen)
    known = chosen.notify.named
    if not known:
        raise SettingsError("nobody is told of an incident: set notify.urls (`nexconsole settings --example` shows it)")
    for name in options.services:
        if name not in known:
            near = did_you_mean(name, known) or f": there are {', '.join(known)}"
            raise SettingsError(f"there is no service {name}{near}")
    checks = asyncio.run(doctor.send_tests(chosen, options.services) if options.test else doctor.examine(chosen))
    print(examination.as_json(checks) if options.json else examination.as_text(checks))
    return examination.exit_code(checks)
