"""A command in this process, with settings that no file holds."""

from __future__ import annotations

from unittest import mock

from nexconsole.cli import options
from nexconsole.cli.main import run
from nexconsole.cli.registry import resolve
from nexconsole.settings import Loaded, Settings


def run_with(settings: Settings, *words: str) -> int:
    """Run the command as if its settings had been loaded from a file; the exit code."""
    command, _ = resolve(words)
    options.hide_secrets(settings)
    with mock.patch.object(command.module(), "load", lambda options: Loaded(settings, {})):
        return run(words)
