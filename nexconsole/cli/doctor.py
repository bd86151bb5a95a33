"""`nexconsole doctor`: checks every connection and permission of the console. Nothing is changed."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from typing import TYPE_CHECKING

from .options import load_for_screens, start_log

if TYPE_CHECKING:
    from .parsing import Parser


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(options: Namespace) -> int:
    """0 when nothing fails (missing configuration is fine), 1 when something does."""
    from ..doctor import examination
    from ..doctor.check import Check
    from ..notify import doctor as notify
    from ..sharing import doctor as sharing

    loaded = load_for_screens(options, strangers=True)
    chosen = loaded.settings
    roles_file = next((origin for key, origin in loaded.origins.items() if key.startswith("roles.")), "")
    start_log(chosen)

    async def examine() -> tuple[Check, ...]:
        checks = await examination.examine(chosen) + await sharing.examine(chosen, roles_file)
        return checks + await notify.examine(chosen)

    checks = asyncio.run(examine())
    print(examination.as_json(checks) if options.json else examination.as_text(checks))
    return examination.exit_code(checks)
