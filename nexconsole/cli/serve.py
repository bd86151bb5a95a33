"""`nexconsole serve`: the shared screen in a browser, read-only."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError
from ..interpreter import module_command, module_environment
from ..settings import ENVIRONMENT
from ..text.named_values import is_secret_name
from .options import FLAGS, given, load_for_screens, start_log

if TYPE_CHECKING:
    from .parsing import Parser

TOKEN = "NEXCONSOLE_SERVE_TOKEN"  # the variable
# Variables with a secret's name that reading needs; every other one stays with this process.
READING = frozenset(ENVIRONMENT) - {"CRON_SECRET"} | {"PGPASSWORD", "PGPASSFILE"}
CLOUDS = ("AWS_", "GOOGLE_", "AZURE_", "ARM_")  # what credential plugins of a cluster ask for
AGENTS = ("SSH_AUTH_SOCK", "GPG_AGENT_INFO")  # whoever reaches an agent acts as its owner


def add_arguments(parser: Parser) -> None:
    meaning = "where to listen; 127.0.0.1 is for this machine alone"
    parser.add_argument("--host", default="127.0.0.1", help=meaning)
    parser.add_argument("--port", type=int, default=8000, help="0: any that is free (default 8000)")
    meaning = "what watchers must send (else NEXCONSOLE_SERVE_TOKEN, else one is made up and printed)"
    parser.add_argument("--token", help=meaning)


def run(options: Namespace) -> int:
    """Serve until a signal ends it; 0. Raises NexConsoleError."""
    from .loopback import is_loopback
    from .web_server import WebServer

    start_log(load_for_screens(options).settings)  # what is wrong with the settings is said here, not in a browser
    flags, config = given(options), getattr(options, "config", None)
    token = options.token if options.token is not None else os.environ.get(TOKEN)
    if token is not None and not token.strip():
        raise SettingsError("the token is empty: everybody would see the screen. Leave it out and one is made up")
    command = [*module_command("nexconsole"), "console", *_flags(flags, config), "--present", "--watch"]
    server = WebServer(command, _variables(flags), options.host, options.port, token or secrets.token_urlsafe(24))
    if not is_loopback(options.host):
        print(
            f"nexconsole: {options.host} can be reached by others, and nothing is encrypted: whoever learns the"
            " address sees this screen",
            file=sys.stderr,
        )
    asyncio.run(server.listen())
    return 0


def _flags(flags: Mapping[str, Any], config: str | None) -> list[str]:
    """The watcher console's arguments. Addresses go by variables, as others can read a command line."""
    by_variable = set(ENVIRONMENT.values())
    words = ["--config", config] if config else []
    for flag, key, _ in FLAGS:
        if flags.get(key) is not None and key not in by_variable:
            words += [flag, str(flags[key])]
    return words


def _variables(flags: Mapping[str, Any]) -> dict[str, str]:
    """The environment of a watcher's console."""
    variables = module_environment({name: value for name, value in os.environ.items() if _given_on(name)})
    for name, key in ENVIRONMENT.items():
        if flags.get(key) is not None:
            variables[name] = str(flags[key])
    return variables


def _given_on(name: str) -> bool:
    """Whether a watcher's console may have this variable: none gives a right to change something."""
    if name in READING or name.startswith(CLOUDS):
        return True
    return name not in AGENTS and not is_secret_name(name)
