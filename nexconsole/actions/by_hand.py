"""The commands in the break-glass sheet that do the same as an action without this console."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

from ..model import Reading
from . import shell_commands

if TYPE_CHECKING:
    from ..settings import Settings

SQL_WIDTH = 52  # each quote in it becomes five characters in the shell


@dataclass(frozen=True)
class CommandStep:
    """A shell command and its effect. `command` is what is copied."""

    does: str
    command: str


@dataclass(frozen=True)
class EmergencyCommand:
    """The remedy of one emergency. The operator reads `notes` before copying any step."""

    title: str
    notes: tuple[str, ...] = ()
    steps: tuple[CommandStep, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CommandContext:
    """What command targets are taken from. `tables`: NexNum's columns by table, as far as they were read."""

    readings: Mapping[str, Reading]
    settings: Settings
    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    schema: str = "public"

    def psql(self, sql: str) -> str:
        if self.schema != "public":
            sql = f"SET search_path TO {shell_commands.sql_name(self.schema)}; {sql}"
        return shell_commands.psql(self.settings, shell_commands.folded(sql, SQL_WIDTH))

    def redis(self, *command: str) -> str:
        return shell_commands.redis_cli(with_redis(self.settings), *command)

    def kubectl(self, *command: str) -> str:
        return shell_commands.kubectl(self.settings, *command)


@runtime_checkable
class ByHand(Protocol):
    """An action that has a part of the break-glass sheet of its own."""

    def emergency(self, context: CommandContext) -> EmergencyCommand:
        """Its commands. An unknown target is a placeholder in capitals. Reads nothing."""


def with_redis(settings: Settings) -> Settings:
    if settings.redis.url:
        return settings
    return msgspec.structs.replace(settings, redis=msgspec.structs.replace(settings.redis, url="redis://unknown"))
