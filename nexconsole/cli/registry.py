"""The commands. Each is a line here and a module `nexconsole.cli.NAME`, imported on use.

The module has `add_arguments(parser)` and `run(options)`, which returns the exit code. `run` loads the settings by
`options.load`, and imports what is slow to import.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol, cast

from ..text.suggestions import did_you_mean
from .options import HELP, SWITCHES, WITH_VALUE, split
from .parsing import Parser, UsageError, add_global_flags, meant_flag

USAGE = 2


class CommandModule(Protocol):
    """The interface of a command's module."""

    def add_arguments(self, parser: Parser) -> None:
        """Add the command's own options and arguments."""

    def run(self, options: Namespace) -> int:
        """Run the command; returns the exit code. Raises NexConsoleError: exit code 1, or 2 for settings and
        terminals.
        """


@dataclass(frozen=True)
class Command:
    """A command. `usage_code`: its exit code for an invalid command line."""

    name: str
    help: str
    usage_code: int = USAGE
    verbs: tuple[str, ...] = ()  # it is meant where one of them follows the word `under`
    under: str = ""

    def module(self) -> CommandModule:
        return cast(CommandModule, import_module(f"{__package__}.{self.name}"))

    def parser(self) -> Parser:
        """Its parser: its own arguments, and the global flags."""
        word = "" if self.name == "console" else self.under or self.name
        parser = Parser(prog=f"nexconsole {word}".strip(), description=self.help)
        self.module().add_arguments(parser)
        add_global_flags(parser)
        return parser


COMMANDS = {
    command.name: command
    for command in (
        Command("console", "open the console on the systems that the settings name"),
        Command("drill", "rehearse an incident on a simulated NexNum"),
        Command("status", "print every signal once, with a monitoring exit code", usage_code=3),
        Command("overview", "print every profile of the settings: level, cause, since when", usage_code=3),
        Command("watch", "watch only; with --lines: plain sentences, one a line, and what can be done by number"),
        Command("notify", "who is told of an incident beyond the consoles; send each a test"),
        Command("doctor", "check every connection and permission, with advice for each failure"),
        Command("init", "make a settings file from the environment and what answers"),
        Command("settings", "print the effective settings and where each came from"),
        Command("run", "prepare an action, and execute it if confirmed"),
        Command("journal", "read, verify and export what is on record"),
        Command("export", "print the report of an incident, from its journal"),
        Command("handover", "print one page for whoever takes over the incident"),
        Command("replay", "play a recorded incident in the same panes"),
        Command("record", "keep the last hours of readings without a screen, until told to end"),
        Command("sheet", "print the break-glass sheet; connects to nothing"),
        Command("runbook", "check a runbook, or audit it on the live systems"),
        Command("serve", "the shared screen in a browser, read-only"),
        Command("mcp", "serve MCP to agents: they look and propose, a person confirms in a console"),
        Command("completion", "print the script by which a shell completes commands, flags and names"),
        Command("docs", "show a page that ships with the console"),
        Command("help", "list the commands, or show a command's options"),
        Command("instruct", "instruct a drill that runs", under="drill", verbs=("inject", "clear", "speed", "running")),
    )
}


def listed() -> list[Command]:
    """The named commands, in help's order."""
    return [command for command in COMMANDS.values() if not command.under]


def resolve(arguments: Sequence[str]) -> tuple[Command, list[str]]:
    """The command and its arguments; the console where no command is named. Raises UsageError."""
    before, rest = split(arguments)
    names = [command.name for command in listed()]
    if not rest and set(before).intersection(HELP):
        return COMMANDS["help"], []
    if not rest or rest[0].startswith("-"):
        _refuse_early(rest, names)
        return COMMANDS["console"], [*before, *rest]
    word, after = rest[0], rest[1:]
    if word not in names:
        near = did_you_mean(word, names) or ": `nexconsole help` lists them"
        raise UsageError(f"there is no command {word}{near}")
    flags, verbs = split(after)
    for command in COMMANDS.values():
        if command.under == word and verbs and verbs[0] in command.verbs:
            return command, [*before, *flags, *verbs]
    return COMMANDS[word], [*before, *after]


def _refuse_early(rest: Sequence[str], names: Sequence[str]) -> None:
    """Raises UsageError where a command's own option stands before its word."""
    after = list(rest)
    while after and after[0].startswith("-"):
        _, after = split(after[1:])
    if after and after[0] in names and not meant_flag(rest[0], (*WITH_VALUE, *SWITCHES)):
        hint = f"write it after the command: nexconsole {after[0]} {rest[0]}"
        raise UsageError(f"{rest[0]} is not a global flag: {hint}", COMMANDS[after[0]].usage_code)
