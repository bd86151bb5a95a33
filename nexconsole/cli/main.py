"""`nexconsole`: arguments -> a command -> its exit code."""

from __future__ import annotations

import os
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence

from .. import logging_setup
from ..errors import NexConsoleError, SettingsError, TerminalError
from . import printing
from .parsing import UsageError
from .registry import USAGE, Command, resolve

FOR_PEOPLE = ("text", "md")  # formats that are printed in the locale's encoding; all others are UTF-8


def run(arguments: Sequence[str], splash: bool = False) -> int:
    """Run one command and return its exit code. `splash`: the alternate screen is already on."""
    logging_setup.hide_secrets_of_crashes()
    printing.begin()
    try:
        command, options = _parse([_as_utf8(argument) for argument in arguments])
        if getattr(options, "json", False) or getattr(options, "format", "text") not in FOR_PEOPLE:
            printing.as_utf8()
        code = command.module().run(options)
        splash = False  # the console took it over, and left it
        return code
    except NexConsoleError as error:
        _leave_splash(splash)
        splash = False
        print(f"nexconsole: {error}", file=sys.stderr)
        return _code(error)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    finally:  # also for a bug, or argparse's exit
        _leave_splash(splash)
        printing.end()


def _parse(arguments: Sequence[str]) -> tuple[Command, Namespace]:
    command, words = resolve(arguments)
    try:
        return command, command.parser().parse_args(words)
    except UsageError as error:
        error.code = command.usage_code
        raise


def _code(error: NexConsoleError) -> int:
    if isinstance(error, UsageError):
        return error.code
    return USAGE if isinstance(error, SettingsError | TerminalError) else 1


def _as_utf8(argument: str) -> str:
    """Decode arguments that the locale can't read (a C locale) as UTF-8, else leave them."""
    return os.fsencode(argument).decode("utf-8", "surrogateescape") if not _is_text(argument) else argument


def _is_text(argument: str) -> bool:
    return not any("\udc80" <= character <= "\udcff" for character in argument)


def _leave_splash(splash: bool) -> None:
    if splash:
        os.write(1, b"\x1b[?1049l")
